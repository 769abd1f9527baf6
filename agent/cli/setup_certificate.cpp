// SPDX-License-Identifier: Apache-2.0
// OpenSSL's part of `sekisho setup`.
#include "agent/cli/setup_certificate.h"

#include <grp.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "agent/cli/freed_by.h"
#include "agent/cli/setup_files.h"
#include "agent/cli/user_password.h"

namespace sekisho::cli {

namespace {

using KeyHandle = std::unique_ptr<EVP_PKEY, FreedBy<EVP_PKEY_free>>;
using CertificateHandle = std::unique_ptr<X509, FreedBy<X509_free>>;
using ExtensionHandle = std::unique_ptr<X509_EXTENSION, FreedBy<X509_EXTENSION_free>>;
using NumberHandle = std::unique_ptr<BIGNUM, FreedBy<BN_free>>;
using MemoryHandle = std::unique_ptr<BIO, FreedBy<BIO_free_all>>;

// RFC 5280, 4.1.2.2: a number that no other certificate has.
bool set_serial(X509* certificate) {
    constexpr int bits = 127;
    const NumberHandle number(BN_new());
    return number != nullptr && BN_rand(number.get(), bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
           BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

// The name stands in subjectAltName; here, too, where it fits, for people.
bool set_subject(X509* certificate, const std::string& name) {
    constexpr std::size_t longest_name = 64;
    const std::string text = name.size() <= longest_name ? name : "sekisho";
    X509_NAME* const subject = X509_get_subject_name(certificate);
    return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                      reinterpret_cast<const unsigned char*>(text.data()),
                                      static_cast<int>(text.size()), -1, 0) == 1 &&
           X509_set_issuer_name(certificate, subject) == 1;
}

bool set_time(X509* certificate, std::chrono::system_clock::time_point now) {
    constexpr std::chrono::days wrong_clock{1};
    const std::time_t begin = std::chrono::system_clock::to_time_t(now - wrong_clock);
    // Both ends count.
    const std::time_t end = begin + std::chrono::seconds(certificate_life).count() - 1;
    return ASN1_TIME_adj(X509_getm_notBefore(certificate), begin, 0, 0) != nullptr &&
           ASN1_TIME_adj(X509_getm_notAfter(certificate), end, 0, 0) != nullptr;
}

bool add_extension(X509* certificate, int kind, const std::string& value) {
    X509V3_CTX context{};
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    const ExtensionHandle extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
    return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool fill_certificate(X509* certificate, EVP_PKEY* key, const std::string& name,
                      std::chrono::system_clock::time_point now) {
    return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
           set_subject(certificate, name) && set_time(certificate, now) &&
           X509_set_pubkey(certificate, key) == 1 &&
           add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(certificate, NID_subject_key_identifier, "hash") &&
           add_extension(certificate, NID_ext_key_usage, "serverAuth") &&
           add_extension(certificate, NID_subject_alt_name, "DNS:" + name) &&
           X509_sign(certificate, key, EVP_sha256()) > 0;
}

std::string memory_text(BIO* memory) {
    char* begin = nullptr;
    const long size = BIO_get_mem_data(memory, &begin);
    return size > 0 ? std::string(begin, static_cast<std::size_t>(size)) : std::string();
}

std::unexpected<Error> openssl_failure() {
    std::array<char, 256> text{};
    ERR_error_string_n(ERR_get_error(), text.data(), text.size());
    ERR_clear_error();
    return fail(Failure::unavailable, std::string("can't make a certificate: ") + text.data(),
                "put one to /etc/sekisho/tls yourself, and begin anew");
}

// -1, nobody's, where there is no such group.
gid_t group_number(const std::string& name) {
    std::array<char, 16384> buffer{};
    struct group entry{};
    struct group* found = nullptr;
    const bool known = ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) == 0;
    return known && found != nullptr ? entry.gr_gid : static_cast<gid_t>(-1);
}

}  // namespace

Result<SelfSigned> self_signed(const std::string& name, std::chrono::system_clock::time_point now) {
    const KeyHandle key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
    const CertificateHandle certificate(X509_new());
    if (key == nullptr || certificate == nullptr ||
        !fill_certificate(certificate.get(), key.get(), name, now)) {
        return openssl_failure();
    }
    const MemoryHandle written(BIO_new(BIO_s_mem()));
    const MemoryHandle written_key(BIO_new(BIO_s_secmem()));
    if (written == nullptr || written_key == nullptr ||
        PEM_write_bio_X509(written.get(), certificate.get()) != 1 ||
        PEM_write_bio_PrivateKey(written_key.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
        return openssl_failure();
    }
    return SelfSigned{.certificate = memory_text(written.get()), .key = memory_text(written_key.get())};
}

Result<void> write_self_signed(const std::string& name, const std::filesystem::path& certificate,
                               const std::filesystem::path& key, const std::string& readers) {
    constexpr mode_t for_all_to_read = 0644;
    constexpr mode_t for_the_group_to_read = 0640;
    constexpr mode_t for_root = 0600;
    auto made = self_signed(name, std::chrono::system_clock::now());
    if (!made) {
        return std::unexpected(made.error());
    }
    const gid_t reader = group_number(readers);
    auto key_file = NewFile::write(
        key, made->key, reader == static_cast<gid_t>(-1) ? for_root : for_the_group_to_read, reader);
    wipe(made->key);
    if (!key_file) {
        return std::unexpected(key_file.error());
    }
    auto certificate_file = NewFile::write(certificate, made->certificate, for_all_to_read);
    if (!certificate_file) {
        return std::unexpected(certificate_file.error());
    }
    if (auto done = key_file->put(); !done) {
        return done;
    }
    auto done = certificate_file->put();
    if (!done) {
        ::unlink(key.c_str());  // a key without its certificate would be in the way the next time
    }
    return done;
}

}  // namespace sekisho::cli
