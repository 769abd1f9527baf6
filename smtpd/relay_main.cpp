// SPDX-License-Identifier: Apache-2.0
// sekisho-relay: owns the spool, and takes mail out.
//
// Takes complete messages from sekisho-smtpd and answers when they are on the disk (one commit for many).
// Delivers them by SMTP (RFC 5321) to the recipients' mail hosts or to a smarthost, with TLS where it is
// offered, tries again what failed for now, and tells the sender of what failed for good (RFC 3464). It
// trusts its configuration, sekisho-smtpd as far as its user, and root; not the hosts it talks to, not the
// name service. It never listens to strangers. Killed at any moment it loses nothing: what was not answered
// was not taken, and what was not written off is sent again.
#include "agent/base/daemon_main.h"
#include "smtpd/relay.h"

int main(int count, char** arguments) {
    const sekisho::DaemonProgram program{
        .name = "sekisho-relay",
        .about = "The submission server's spool, and the way out.",
        .examples = {},
        .add_options = {},
        .instead = {},
        .start = [](boost::asio::io_context& context,
                    const sekisho::Config& config) -> sekisho::Result<std::shared_ptr<void>> {
            auto daemon = sekisho::RelayDaemon::start(context, config);
            if (!daemon) {
                return std::unexpected(daemon.error());
            }
            return std::shared_ptr<void>(std::move(*daemon));
        },
        .ready = "mail goes out",
        .stopping = "what is in the spool stays there"};
    return sekisho::run_daemon(program, count, arguments);
}
