// SPDX-License-Identifier: Apache-2.0
// By OpenSSL's callback for the server's name.
#include "smtpd/certificates.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "agent/base/log.h"
#include "agent/base/tls.h"
#include "smtpd/tls_peer.h"

namespace sekisho {

namespace {

namespace ssl = boost::asio::ssl;

// They live and go together.
struct Together {
    ssl::context first;
    std::vector<ssl::context> others;
};

bool is_for(ssl::context& context, std::string_view name) {
    X509* const certificate = SSL_CTX_get0_certificate(context.native_handle());
    return X509_check_host(certificate, name.data(), name.size(), 0, nullptr) == 1;
}

// A client that asks for a name nobody has is shown the first one: it may not look (RFC 6066, 3).
int choose(SSL* connection, int* /*alert*/, void* argument) {
    auto& all = *static_cast<Together*>(argument);
    const char* const name = SSL_get_servername(connection, TLSEXT_NAMETYPE_host_name);
    if (name == nullptr || is_for(all.first, name)) {
        return SSL_TLSEXT_ERR_OK;
    }
    const auto found =
        std::ranges::find_if(all.others, [name](ssl::context& each) { return is_for(each, name); });
    if (found != all.others.end()) {
        SSL_set_SSL_CTX(connection, found->native_handle());
    }
    return SSL_TLSEXT_ERR_OK;
}

}  // namespace

Result<Certificates> Certificates::read(const SubmissionConfig& config) {
    Certificates certificates(config);
    auto loaded = certificates.load();
    if (!loaded) {
        return std::unexpected(loaded.error());
    }
    certificates.current_ = std::move(*loaded);
    return certificates;
}

Result<ssl::context> Certificates::context_for(const std::filesystem::path& certificate,
                                               const std::filesystem::path& key) const {
    auto context = server_tls(certificate, key);
    if (!context || config_->client_ca.empty()) {
        return context;
    }
    if (auto asking = ask_for_certificates(*context, config_->client_ca); !asking) {
        return std::unexpected(asking.error());
    }
    return context;
}

Result<std::shared_ptr<ssl::context>> Certificates::load() const {
    if (config_->certificate.empty()) {
        return nullptr;
    }
    auto first = context_for(config_->certificate, config_->key);
    if (!first) {
        return std::unexpected(first.error());
    }
    const auto all = std::make_shared<Together>(Together{.first = std::move(*first), .others = {}});
    for (const SniConfig& each : config_->sni) {
        auto made = context_for(each.certificate, each.key);
        if (!made) {
            return std::unexpected(made.error());
        }
        all->others.push_back(std::move(*made));
    }
    SSL_CTX* const native = all->first.native_handle();
    SSL_CTX_set_tlsext_servername_callback(native, choose);
    SSL_CTX_set_tlsext_servername_arg(native, all.get());
    return std::shared_ptr<ssl::context>(all, &all->first);
}

void Certificates::reload() {
    auto loaded = load();
    if (!loaded) {
        log::error("CERTIFICATES_UNREADABLE", loaded.error().what + "; those that were there stay",
                   {{"remedy", loaded.error().remedy}});
        return;
    }
    current_ = std::move(*loaded);
    log::info("CERTIFICATES_READ", "who connects from now on is shown them",
              {{"certificate", config_->certificate.string()}, {"others", config_->sni.size()}});
}

}  // namespace sekisho
