// SPDX-License-Identifier: Apache-2.0
// Reading certificates.
#include "agent/cli/certificate_facts.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <memory>

#include "agent/base/ascii.h"
#include "agent/base/printable.h"
#include "agent/cli/freed_by.h"

namespace sekisho::cli {

namespace {

using ReadCertificate = std::unique_ptr<X509, FreedBy<X509_free>>;
using ReadKey = std::unique_ptr<EVP_PKEY, FreedBy<EVP_PKEY_free>>;
using ReadText = std::unique_ptr<BIO, FreedBy<BIO_free_all>>;
using ReadNames = std::unique_ptr<GENERAL_NAMES, FreedBy<GENERAL_NAMES_free>>;

ReadText text_in(const std::string& pem) {
    return ReadText(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// Nobody is asked for a key's password.
int no_password(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*unused*/) {
    return -1;
}

ReadCertificate first_certificate(const std::string& pem) {
    const ReadText text = text_in(pem);
    ReadCertificate certificate(text ? PEM_read_bio_X509(text.get(), nullptr, no_password, nullptr)
                                     : nullptr);
    ERR_clear_error();
    return certificate;
}

Result<std::chrono::sys_seconds> certificate_moment(const ASN1_TIME* time) {
    std::tm parts{};
    if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) {
        return fail(Failure::invalid, "the certificate has no time that could be read");
    }
    return std::chrono::sys_seconds(std::chrono::seconds(::timegm(&parts)));
}

std::string issuer_of(const X509* certificate) {
    const X509_NAME* const issuer = X509_get_issuer_name(certificate);
    std::array<char, 256> text{};
    if (X509_NAME_get_text_by_NID(issuer, NID_commonName, text.data(), static_cast<int>(text.size())) < 0) {
        X509_NAME_oneline(issuer, text.data(), static_cast<int>(text.size()));
    }
    return printable(text.data());
}

std::vector<std::string> names_in(const X509* certificate) {
    std::vector<std::string> names;
    const ReadNames all(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    for (int i = 0; all && i < sk_GENERAL_NAME_num(all.get()); i++) {
        const GENERAL_NAME* const name = sk_GENERAL_NAME_value(all.get(), i);
        if (name->type == GEN_DNS) {
            const auto* const octets = reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName));
            names.push_back(lowered({octets, static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName))}));
        }
    }
    std::ranges::sort(names);
    return names;
}

}  // namespace

Result<CertificateFacts> certificate_facts(const std::string& pem) {
    const ReadCertificate certificate = first_certificate(pem);
    if (!certificate) {
        return fail(Failure::invalid, "there is no certificate in PEM");
    }
    const auto from = certificate_moment(X509_get0_notBefore(certificate.get()));
    const auto until = certificate_moment(X509_get0_notAfter(certificate.get()));
    if (!from || !until) {
        return std::unexpected(!from ? from.error() : until.error());
    }
    return CertificateFacts{.names = names_in(certificate.get()),
                            .from = *from,
                            .until = *until,
                            .issuer = issuer_of(certificate.get()),
                            .self_signed = X509_NAME_cmp(X509_get_issuer_name(certificate.get()),
                                                         X509_get_subject_name(certificate.get())) == 0};
}

Result<bool> belong_together(const std::string& certificate, const std::string& key) {
    const ReadCertificate read = first_certificate(certificate);
    const ReadText text = text_in(key);
    const ReadKey read_key(text ? PEM_read_bio_PrivateKey(text.get(), nullptr, no_password, nullptr)
                                : nullptr);
    ERR_clear_error();
    if (!read || !read_key) {
        return fail(Failure::invalid, !read ? "there is no certificate in PEM" : "there is no key in PEM");
    }
    const bool together = X509_check_private_key(read.get(), read_key.get()) == 1;
    ERR_clear_error();
    return together;
}

}  // namespace sekisho::cli
