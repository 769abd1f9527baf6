// SPDX-License-Identifier: Apache-2.0
// The certificate that `sekisho setup` makes, read as a mail program would.
#include "agent/cli/setup_certificate.h"

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <array>
#include <memory>
#include <string>

namespace sekisho::cli {

namespace {

using std::chrono::system_clock;

template <class T>
using Held = std::unique_ptr<T, void (*)(T*)>;

Held<BIO> memory(const std::string& text) {
    return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), [](BIO* bio) { BIO_free_all(bio); }};
}

Held<X509> certificate_in(const SelfSigned& made) {
    return {PEM_read_bio_X509(memory(made.certificate).get(), nullptr, nullptr, nullptr), X509_free};
}

Held<EVP_PKEY> key_in(const SelfSigned& made) {
    return {PEM_read_bio_PrivateKey(memory(made.key).get(), nullptr, nullptr, nullptr), EVP_PKEY_free};
}

SelfSigned make(const std::string& name, system_clock::time_point now = system_clock::now()) {
    auto made = self_signed(name, now);
    EXPECT_TRUE(made) << made.error().what;
    return made.value_or(SelfSigned{});
}

// What a client says that trusts it alone and asks for a server of this name.
int verdict_of(X509* certificate, const char* name) {
    const Held<X509_STORE> store(X509_STORE_new(), X509_STORE_free);
    X509_STORE_add_cert(store.get(), certificate);
    const Held<X509_STORE_CTX> context(X509_STORE_CTX_new(), X509_STORE_CTX_free);
    X509_STORE_CTX_init(context.get(), store.get(), certificate, nullptr);
    X509_STORE_CTX_set_default(context.get(), "ssl_server");
    X509_VERIFY_PARAM* const wanted = X509_STORE_CTX_get0_param(context.get());
    X509_VERIFY_PARAM_set1_host(wanted, name, 0);
    X509_VERIFY_PARAM_set_flags(wanted, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
    return X509_verify_cert(context.get()) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context.get());
}

TEST(SetupCertificate, IsForItsName) {
    const auto certificate = certificate_in(make("smtp.example.net"));
    ASSERT_NE(certificate, nullptr);
    EXPECT_EQ(verdict_of(certificate.get(), "smtp.example.net"), X509_V_OK);
    EXPECT_EQ(verdict_of(certificate.get(), "mail.example.net"), X509_V_ERR_HOSTNAME_MISMATCH);
    EXPECT_EQ(X509_check_ca(certificate.get()), 0) << "it vouches for nobody else";
    EXPECT_NE(X509_get_extended_key_usage(certificate.get()) & XKU_SSL_SERVER, 0U);
}

TEST(SetupCertificate, HasItsKey) {
    const SelfSigned made = make("smtp.example.net");
    const auto key = key_in(made);
    ASSERT_NE(key, nullptr);
    EXPECT_EQ(X509_check_private_key(certificate_in(made).get(), key.get()), 1);
    std::array<char, 32> curve{};
    EXPECT_EQ(EVP_PKEY_get_group_name(key.get(), curve.data(), curve.size(), nullptr), 1);
    EXPECT_STREQ(curve.data(), "prime256v1");
}

TEST(SetupCertificate, LivesAsLongAsApplesMailProgramsTakeIt) {
    const auto now = system_clock::now();
    const auto certificate = certificate_in(make("smtp.example.net", now));
    int days = 0;
    int seconds = 0;
    ASSERT_EQ(ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(certificate.get()),
                             X509_get0_notAfter(certificate.get())),
              1);
    EXPECT_EQ(days, 824);
    EXPECT_EQ(seconds, 86'399) << "both ends count";
    std::time_t moment = system_clock::to_time_t(now - std::chrono::hours(23));
    EXPECT_LT(X509_cmp_time(X509_get0_notBefore(certificate.get()), &moment), 0);
    moment = system_clock::to_time_t(now + std::chrono::days(823));
    EXPECT_GT(X509_cmp_time(X509_get0_notAfter(certificate.get()), &moment), 0);
}

TEST(SetupCertificate, LongNamesAndEachOnesNumber) {
    const std::string name = std::string(60, 'a') + "." + std::string(60, 'b') + ".example.net";
    const auto one = certificate_in(make(name));
    const auto other = certificate_in(make(name));
    EXPECT_EQ(verdict_of(one.get(), name.c_str()), X509_V_OK);
    EXPECT_NE(ASN1_INTEGER_cmp(X509_get0_serialNumber(one.get()), X509_get0_serialNumber(other.get())), 0);
}

}  // namespace

}  // namespace sekisho::cli
