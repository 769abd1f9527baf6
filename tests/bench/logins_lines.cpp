// SPDX-License-Identifier: Apache-2.0
// Lines of logs scanned a second, on one core: a mail host's mixture, of which one in a hundred is a login.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "agent/logins/log_patterns.h"

namespace {

using sekisho::logins::LogPatterns;

constexpr std::size_t lines_in_a_round = 500'000;
constexpr std::size_t rounds = 5;
constexpr double target = 500'000;

// Of programs that have patterns as well as of others.
constexpr std::array others = {
    "postfix/smtpd[812]: connect from host.example.net[192.0.2.2]",
    "postfix/qmgr[77]: 4A1B2C: from=<a@example.net>, size=1234, nrcpt=1 (queue active)",
    "postfix/smtpd[812]: 4A1B2C: client=host.example.net[192.0.2.2]",
    "postfix/smtp[91]: 4A1B2C: to=<b@example.org>, relay=mx.example.org[203.0.113.25]:25, delay=0.7, "
    "status=sent (250 ok)",
    "dovecot: imap(alice)<123><abc>: Disconnected: Logged out in=166 out=10854 deleted=0 expunged=0 "
    "trashed=0",
    "dovecot: pop3-login: Aborted login (auth failed, 1 attempts in 2 secs): user=<alice>, method=PLAIN, "
    "rip=192.0.2.2, lip=192.0.2.1, session=<aG9sYQ+/AAB>",
    "imapd[5]: LOGOUT, user=alice, ip=[::ffff:192.0.2.2], headers=0, body=0, rcvd=24, sent=112, time=0",
    "spamd[55]: spamd: clean message (0.5/5.0) for alice:1000 in 1.2 seconds, 2000 bytes.",
    "sshd[999]: Failed password for root from 203.0.113.7 port 1 ssh2",
};
constexpr std::array logins = {
    "dovecot: pop3-login: Login: user=<alice>, method=PLAIN, rip=192.0.2.2, lip=198.51.100.1, mpid=771, TLS, "
    "session=<aG9sYQ+/AAB>",
    "pop3d: LOGIN, user=alice, ip=[::ffff:192.0.2.2], port=[1234], protocol=POP3",
    "postfix/smtpd[812]: 4A1B2C: client=host.example.net[192.0.2.2], sasl_method=PLAIN, sasl_username=alice",
};

std::vector<std::string> mixture() {
    constexpr std::size_t kinds = 9'000;
    constexpr std::size_t one_in = 100;
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < kinds; i++) {
        const char* const text =
            i % one_in == 0 ? logins.at(i / one_in % logins.size()) : others.at(i % others.size());
        lines.push_back("2026-11-27T03:33:25.123456+01:00 mail " + std::string(text));
    }
    return lines;
}

}  // namespace

int main() {
    auto patterns = std::move(LogPatterns::make({}, {}).value());
    const std::vector<std::string> lines = mixture();
    std::vector<double> rates;
    std::size_t found = 0;
    for (std::size_t round = 0; round < rounds; round++) {
        const auto begin = std::chrono::steady_clock::now();
        for (std::size_t i = 0; i < lines_in_a_round; i++) {
            found += patterns.read(lines[i % lines.size()]) ? 1 : 0;
        }
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
        rates.push_back(static_cast<double>(lines_in_a_round) / took.count());
    }
    const std::size_t all = lines_in_a_round * rounds;
    if (found < all / 101 || found > all / 99) {
        std::fprintf(stderr, "%zu logins were found in %zu lines\n", found, all);
        return 1;
    }
    std::ranges::sort(rates);
    const double median = rates[rounds / 2];
    std::printf(R"({"row":"logins-lines","value":%.0f,"unit":"lines/s","target":%.0f,"met":%s,"peers":{}})"
                "\n",
                median, target, median >= target ? "true" : "false");
    return 0;
}
