// SPDX-License-Identifier: Apache-2.0
// The submission server's certificates: which one a client is shown, and how they are replaced.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <filesystem>
#include <memory>
#include <vector>

#include "agent/base/config_submission.h"
#include "agent/base/result.h"

namespace sekisho {

class Certificates {
public:
    // Reads [submission]'s certificate and those of [[submission.sni]], if there are any, and the authorities
    // of clients' certificates. Errors are those of server_tls and ask_for_certificates. `config` outlives
    // it.
    [[nodiscard]] static Result<Certificates> read(const SubmissionConfig& config);

    // For a new connection: it shows the client the certificate for the name that it asks for (SNI, RFC 6066,
    // 3), else [submission]'s. Null where that has none. What is returned keeps all of them alive, whatever
    // is read meanwhile.
    [[nodiscard]] std::shared_ptr<boost::asio::ssl::context> current() const { return current_; }

    // Reads them again, for the connections that come. All or none: after an error those that were there
    // stay. The log has what came of it.
    void reload();

private:
    explicit Certificates(const SubmissionConfig& config) : config_(&config) {}
    [[nodiscard]] Result<boost::asio::ssl::context> context_for(const std::filesystem::path& certificate,
                                                                const std::filesystem::path& key) const;
    [[nodiscard]] Result<std::shared_ptr<boost::asio::ssl::context>> load() const;

    const SubmissionConfig* config_;
    std::shared_ptr<boost::asio::ssl::context> current_;
};

}  // namespace sekisho
