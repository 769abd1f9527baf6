// SPDX-License-Identifier: Apache-2.0
// sekisho-auth: knows who may log in.
//
// Speaks Dovecot's authentication protocol to sekisho-smtpd (or Postfix, or Exim) and HTTP to `sekisho user`.
// It holds the user file and meets no stranger: what strangers say reaches it through a client that its
// socket's group admits, and is taken for hostile all the same. It gives up root's privileges once its
// sockets are open.
#include "agent/base/daemon_main.h"
#include "smtpd/auth.h"

int main(int count, char** arguments) {
    using namespace sekisho;
    return run_daemon({.name = "sekisho-auth",
                       .about = "Sekisho's authentication server: knows who may log in.",
                       .examples = {},
                       .add_options = {},
                       .instead = {},
                       .start = [](boost::asio::io_context& context,
                                   const Config& config) -> Result<std::shared_ptr<void>> {
                           auto daemon = AuthDaemon::start(context, config);
                           if (!daemon) {
                               return std::unexpected(daemon.error());
                           }
                           return std::shared_ptr<void>(std::move(*daemon));
                       },
                       .ready = "logins are judged",
                       .stopping = "logins must wait until the next start"},
                      count, arguments);
}
