// SPDX-License-Identifier: Apache-2.0
// By OpenSSL.
#include "smtpd/tls_peer.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <array>
#include <memory>
#include <string_view>

#include "smtpd/sasl/mechanism.h"
#include "smtpd/sasl/secret_text.h"

namespace sekisho {

namespace {

// RFC 9266, 2.
std::string exporter_of(SSL* connection) {
    constexpr std::string_view label = "EXPORTER-Channel-Binding";
    std::array<unsigned char, 32> key{};
    if (SSL_version(connection) < TLS1_3_VERSION ||
        SSL_export_keying_material(connection, key.data(), key.size(), label.data(), label.size(), nullptr, 0,
                                   0) != 1) {
        return {};
    }
    return sasl::to_base64({reinterpret_cast<const char*>(key.data()), key.size()});
}

// RFC 5929, 3: the first Finished message, which in a full handshake is the client's.
std::string unique_of(SSL* connection) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> message{};
    if (SSL_version(connection) != TLS1_2_VERSION || SSL_session_reused(connection) != 0 ||
        SSL_get_extms_support(connection) != 1) {
        return {};
    }
    const std::size_t size = SSL_get_peer_finished(connection, message.data(), message.size());
    return sasl::to_base64({reinterpret_cast<const char*>(message.data()), size});
}

std::string text_of(const ASN1_STRING* octets) {
    unsigned char* utf8 = nullptr;
    const int size = octets == nullptr ? -1 : ASN1_STRING_to_UTF8(&utf8, octets);
    const std::string text =
        size < 0 ? std::string()
                 : std::string(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
    OPENSSL_free(utf8);
    return text;
}

struct FreeNames {
    void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};

std::string address_in(const X509* certificate) {
    const std::unique_ptr<GENERAL_NAMES, FreeNames> names(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); i++) {
        const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
        if (name->type == GEN_EMAIL) {
            return text_of(name->d.rfc822Name);
        }
    }
    return {};
}

std::string common_name_in(const X509* certificate) {
    X509_NAME* const subject = X509_get_subject_name(certificate);
    const int place = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (place < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, place) >= 0) {
        return {};
    }
    const std::string name = text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, place)));
    return name.find('@') == std::string::npos ? name : std::string();
}

// A session that is resumed brings back what was found when it began.
bool is_valid_now(const X509* certificate) {
    return X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0 &&
           X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
}

std::string certificate_user_of(SSL* connection) {
    const X509* const certificate = SSL_get0_peer_certificate(connection);
    if (certificate == nullptr || SSL_get_verify_result(connection) != X509_V_OK ||
        !is_valid_now(certificate)) {
        return {};
    }
    const std::string address = address_in(certificate);
    const std::string name = address.empty() ? common_name_in(certificate) : address;
    return sasl::unfit_name(name) ? std::string() : name;
}

constexpr long longest_chain = 16'384;  // octets
constexpr int deepest_chain = 5;

// Whether the file of the authorities has lists of certificates that they have revoked (RFC 5280, 5).
bool has_revocations(SSL_CTX* context) {
    STACK_OF(X509_OBJECT)* const all = X509_STORE_get0_objects(SSL_CTX_get_cert_store(context));
    for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
        if (X509_OBJECT_get_type(sk_X509_OBJECT_value(all, i)) == X509_LU_CRL) {
            return true;
        }
    }
    return false;
}

}  // namespace

TlsPeer peer_of(SSL* connection) {
    return {.exporter = exporter_of(connection),
            .unique = unique_of(connection),
            .certificate_user = certificate_user_of(connection)};
}

Result<void> ask_for_certificates(boost::asio::ssl::context& context,
                                  const std::filesystem::path& authorities) {
    SSL_CTX* const native = context.native_handle();
    STACK_OF(X509_NAME)* const names = SSL_load_client_CA_file(authorities.c_str());
    if (names == nullptr || SSL_CTX_load_verify_file(native, authorities.c_str()) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        ERR_clear_error();
        return fail(Failure::invalid, "can't read certificates from " + authorities.string(),
                    "name a PEM file with those that sign clients' certificates");
    }
    SSL_CTX_set_client_CA_list(native, names);
    // The handshake goes on in any case; what came of it is asked for afterwards.
    SSL_CTX_set_verify(native, SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
    // Strangers' certificates must not fill the memory: neither long ones, nor many that are kept for
    // sessions that might be resumed. Tickets (RFC 5077) keep them at the client.
    SSL_CTX_set_max_cert_list(native, longest_chain);
    SSL_CTX_set_verify_depth(native, deepest_chain);
    SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
    if (has_revocations(native)) {
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(native),
                                    X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    }
    constexpr std::string_view name = "sekisho-smtpd";
    SSL_CTX_set_session_id_context(native, reinterpret_cast<const unsigned char*>(name.data()),
                                   static_cast<unsigned>(name.size()));
    return {};
}

}  // namespace sekisho
