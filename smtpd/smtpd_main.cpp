// SPDX-License-Identifier: Apache-2.0
// sekisho-smtpd: takes mail in from users who have logged in (ports 587 and 465), and from networks of trust.
//
// Speaks SMTP (RFC 5321, 6409, 3207, 4954, 8314) with strangers. It asks sekisho-auth, or Dovecot, who they
// are, hands complete messages to sekisho-relay and says 250 only when that has them on the disk. It trusts
// its configuration and those two; nobody else. It opens its ports and reads the TLS key, then becomes
// another user; the key is its only secret, and it never opens the spool. When one of the others is gone,
// clients are told to come back (454, 451).
#include "agent/base/daemon_main.h"
#include "smtpd/server.h"

// Shorter than systemd's TimeoutStopSec, which kills.
constexpr std::chrono::seconds patience{30};

int main(int count, char** arguments) {
    const sekisho::DaemonProgram program{
        .name = "sekisho-smtpd",
        .about = "The submission server's face: takes mail in on ports 587 and 465.",
        .examples = {},
        .add_options = {},
        .instead = {},
        .start = [](boost::asio::io_context& context,
                    const sekisho::Config& config) -> sekisho::Result<std::shared_ptr<void>> {
            auto server = sekisho::SmtpdServer::start(context, config);
            if (!server) {
                return std::unexpected(server.error());
            }
            return std::shared_ptr<void>(std::move(*server));
        },
        .leave =
            [](const std::shared_ptr<void>& daemon, std::function<void()> left) {
                static_cast<sekisho::SmtpdServer*>(daemon.get())->leave(patience, std::move(left));
            },
        .ready = "mail is taken in",
        .stopping = "connections end; what was answered with 250 is kept"};
    return sekisho::run_daemon(program, count, arguments);
}
