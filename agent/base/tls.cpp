// SPDX-License-Identifier: Apache-2.0
// OpenSSL's part of the listeners.
#include "agent/base/tls.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace sekisho {

namespace {

namespace ssl = boost::asio::ssl;

std::unexpected<Error> unusable(const std::filesystem::path& file, const std::string& why,
                                std::string remedy) {
    return fail(Failure::invalid, file.string() + ": " + why, std::move(remedy));
}

Result<void> check_key_file(const std::filesystem::path& key) {
    struct stat facts{};
    if (::stat(key.c_str(), &facts) != 0) {
        return unusable(key, std::strerror(errno), "name the key of the certificate");
    }
    if ((facts.st_mode & S_IRWXO) != 0) {
        return unusable(key, "everybody can use it", "chmod 0640 " + key.string());
    }
    return {};
}

}  // namespace

Result<ssl::context> server_tls(const std::filesystem::path& certificate, const std::filesystem::path& key) {
    if (auto good = check_key_file(key); !good) {
        return std::unexpected(good.error());
    }
    ssl::context context(ssl::context::tls_server);
    SSL_CTX* native = context.native_handle();
    SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
    SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                    SSL_OP_PRIORITIZE_CHACHA | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);  // an idle connection needs none
    // A daemon can't be asked for a pass phrase; OpenSSL would read it from the terminal.
    SSL_CTX_set_default_passwd_cb(native, [](char*, int, int, void*) { return 0; });
    boost::system::error_code error;
    context.use_certificate_chain_file(certificate.string(), error);
    if (error) {
        return unusable(certificate, error.message(), "name a PEM file with the certificate and its chain");
    }
    context.use_private_key_file(key.string(), ssl::context::pem, error);
    if (error) {
        return unusable(key, error.message(), "name the certificate's key, PEM, without a pass phrase");
    }
    if (SSL_CTX_check_private_key(native) != 1) {
        return unusable(key, "this is not the key of " + certificate.string(), "name its key");
    }
    return context;
}

std::string tls_text(const SSL* connection) {
    return std::string(SSL_get_version(connection)) + " with cipher " + SSL_get_cipher_name(connection);
}

}  // namespace sekisho
