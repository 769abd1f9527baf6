// SPDX-License-Identifier: Apache-2.0
// Every command, what it takes, and what its help says; those about the machine itself are in
// grammar_machine.cpp.
#include "agent/cli/grammar.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <utility>
#include <vector>

namespace sekisho::cli {

namespace {

// The command that was being typed, as deep as it was understood.
CLI::App& deepest(CLI::App& app) {
    CLI::App* at = &app;
    while (!at->get_subcommands().empty()) {
        at = at->get_subcommands().front();
    }
    return *at;
}

void add_plain(CLI::App& app, Words& words) {
    leaf(app, words, Command::status, "status", "What the box does now: pools, counters, logins",
         "  sekisho status\n  sekisho status --json | jq '.counts[]'\n");
    CLI::App& doctor =
        leaf(app, words, Command::doctor, "doctor",
             "Check kernel, configuration, agent and interfaces; works without a running agent",
             "  sekisho doctor\n  sekisho doctor --config /etc/sekisho/new.toml\n");
    doctor.add_option("--config", words.config, "Configuration file (default /etc/sekisho/sekisho.toml)")
        ->type_name("FILE");
    leaf(app, words, Command::version, "version", "Versions of this command and of the running agent",
         "  sekisho version\n  sekisho version --json\n");
    CLI::App& why = leaf(app, words, Command::why, "why",
                         "What the box would do with a connection to port 25 from ADDRESS, rule by rule",
                         "  sekisho why 192.0.2.10\n  sekisho why 2001:db8:100::1 2001:db8:25::25\n");
    why.add_option("ADDRESS", words.address, "The subscriber's address")->required()->type_name("");
    why.add_option("DESTINATION", words.destination,
                   "The server's address (default: one that is not designated)")
        ->type_name("");
    CLI::App& interfaces =
        group(app, "interface", "Interfaces the box looks at", "  sekisho interface list\n");
    leaf(interfaces, words, Command::interface_list, "list", "Interfaces, and how each is attached",
         "  sekisho interface list\n  sekisho interface list --json\n");
    CLI::App& config = group(app, "config", "The configuration file", "  sekisho config check\n");
    CLI::App& check = leaf(config, words, Command::config_check, "check",
                           "Say everything that is wrong with a configuration file; changes nothing",
                           "  sekisho config check\n  sekisho config check ./sekisho.toml --json\n");
    check.add_option("FILE,--config", words.config, "The file (default /etc/sekisho/sekisho.toml)")
        ->type_name("");
}

void add_logins(CLI::App& app, Words& words) {
    CLI::App& logins = group(app, "logins", "Where logins are learnt from",
                             "  sekisho logins list\n  sekisho logins test /var/log/mail.log\n");
    leaf(logins, words, Command::logins_list, "list",
         "Who reports logins, and what became of them since the agent's start",
         "  sekisho logins list\n  sekisho logins list --json | jq -r '.reporters[].name'\n");
    CLI::App& test = leaf(logins, words, Command::logins_test, "test",
                          "Say which lines of a log are logins, and what each would open; opens nothing",
                          "  sekisho logins test /var/log/mail.log\n"
                          "  journalctl -o short-iso -u courier-pop | sekisho logins test -\n");
    test.add_option("FILE", words.name, "The log; - for standard input")->required()->type_name("");
    test.add_option("--reporter", words.reporter,
                    "Read it with the patterns of this section: the name of a [[login.log]] or its like")
        ->type_name("NAME");
    test.add_option("--config", words.config,
                    "Configuration with pools and patterns (default /etc/sekisho/sekisho.toml)")
        ->type_name("FILE");
    leaf(logins, words, Command::logins_patterns, "patterns", "The daemons whose logins are known",
         "  sekisho logins patterns\n  sekisho logins patterns --json\n");
}

void add_grant(CLI::App& app, Words& words) {
    CLI::App& grant =
        group(app, "grant", "Temporary openings of port 25",
              "  sekisho grant add 192.0.2.10 --for 1h --reason 'ticket 4711'\n  sekisho grant list\n");
    CLI::App& add = leaf(grant, words, Command::grant_add, "add", "Open port 25 for a subscriber, for a time",
                         "  sekisho grant add 192.0.2.10\n"
                         "  sekisho grant add 2001:db8:100::1 --for 1h30m --reason 'ticket 4711'\n");
    add.add_option("ADDRESS", words.address, "An address of the subscriber")->required()->type_name("");
    add.add_option("--for", words.lifetime, "How long: 90s, 10m, 24h, 1h30m (default: grants.lifetime)")
        ->type_name("DURATION");
    add.add_option("--budget", words.budget,
                   "How many new connections it is good for; 0: any number (default: grants.budget)")
        ->type_name("N");
    add.add_option("--scope", words.scope,
                   "What it opens: edge, port 25; relay, the submission server, where a listener has "
                   "relay_grants (default: edge)")
        ->type_name("SCOPE");
    add.add_option("--reason", words.text, "Why, for colleagues")->type_name("TEXT");
    CLI::App& list = leaf(grant, words, Command::grant_import, "import",
                          "Open port 25 for each subscriber of a list, for a time",
                          "  sekisho grant import addresses.txt --for 2h --reason 'moving the mail host'\n"
                          "  grep -v '^192.0.2.7$' addresses.txt | sekisho grant import -\n");
    list.add_option("FILE", words.name, "An address on each line, # begins a comment; - for standard input")
        ->required()
        ->type_name("");
    list.add_option("--for", words.lifetime, "How long: 90s, 10m, 24h, 1h30m (default: grants.lifetime)")
        ->type_name("DURATION");
    list.add_option("--budget", words.budget,
                    "How many new connections each is good for; 0: any number (default: grants.budget)")
        ->type_name("N");
    list.add_option("--scope", words.scope, "What they open: edge, relay or edge,relay (default: edge)")
        ->type_name("SCOPE");
    list.add_option("--reason", words.text, "Why, for colleagues")->type_name("TEXT");
    CLI::App& all = leaf(grant, words, Command::grant_list, "list", "The grants that are alive",
                         "  sekisho grant list\n  sekisho grant list --user anna\n"
                         "  sekisho grant list --within 192.0.2.0/24 --source mail1\n"
                         "  sekisho grant list --json | jq -r '.grants[].key'\n");
    all.add_option("-n", words.count, "How many to show (default: 1000, at most 10000)")->type_name("N");
    all.add_option("--after", words.from, "Go on behind this key, as the last line says")->type_name("KEY");
    all.add_option("--within", words.prefix, "Only this subscriber's, or those within this prefix")
        ->type_name("PREFIX");
    all.add_option("--user", words.user, "Only those of logins of this user")->type_name("NAME");
    all.add_option("--source", words.reporter, "Only those of this reporter, or of an \"operator\"")
        ->type_name("NAME");
    all.add_option("--session", words.session, "Only those of keys that this session has now")
        ->type_name("ID");
    CLI::App& show = leaf(grant, words, Command::grant_show, "show", "The grant of one subscriber",
                          "  sekisho grant show 192.0.2.10\n");
    show.add_option("ADDRESS", words.address, "An address of the subscriber")->required()->type_name("");
    CLI::App& revoke =
        leaf(grant, words, Command::grant_revoke, "revoke", "End a grant at once",
             "  sekisho grant revoke 192.0.2.10\n  sekisho grant revoke 192.0.2.10 --kill\n"
             "  sekisho grant revoke 192.0.2.10 --no-cool-down    the next login opens it again\n");
    revoke.add_flag("--kill", words.kill, "End the connections that were opened under it, too");
    revoke.add_flag("--no-cool-down", words.no_cool_down,
                    "Let the next login open it again (else none does for grants.cool_down)");
    revoke.add_option("ADDRESS", words.address, "An address of the subscriber")->required()->type_name("");
}

void add_exempt(CLI::App& app, Words& words) {
    CLI::App& exempt =
        group(app, "exempt", "Static contracts: prefixes that always pass",
              "  sekisho exempt add 192.0.2.128/28 --note 'contract 7'\n  sekisho exempt list\n");
    CLI::App& add = leaf(exempt, words, Command::exempt_add, "add", "Let a prefix pass for good",
                         "  sekisho exempt add 192.0.2.200\n"
                         "  sekisho exempt add 2001:db8:100:ab00::/56 --note 'contract 7'\n");
    add.add_option("PREFIX", words.prefix, "An address or a prefix")->required()->type_name("");
    add.add_option("--note", words.text, "Why, for colleagues")->type_name("TEXT");
    leaf(exempt, words, Command::exempt_list, "list", "All exemptions",
         "  sekisho exempt list\n  sekisho exempt list --json\n");
    CLI::App& remove = leaf(exempt, words, Command::exempt_remove, "remove", "End an exemption",
                            "  sekisho exempt remove 192.0.2.128/28\n");
    remove.add_option("PREFIX", words.prefix, "As it stands in the list")->required()->type_name("");
}

void add_blocked(CLI::App& app, Words& words) {
    CLI::App& blocked = group(app, "blocked", "Who is being blocked", "  sekisho blocked top\n");
    CLI::App& top = leaf(blocked, words, Command::blocked_top, "top",
                         "The subscribers with the most blocked packets: the infected ones are among them",
                         "  sekisho blocked top\n  sekisho blocked top -n 5 --json\n");
    top.add_option("-n", words.count, "How many to show (default: 20)")->type_name("N");
}

void add_dataplane(CLI::App& app, Words& words) {
    CLI::App& dataplane = group(app, "dataplane", "What runs in the kernel", "  sekisho dataplane detach\n");
    CLI::App& detach = leaf(dataplane, words, Command::dataplane_detach, "detach",
                            "Take programs, tables and pins out of the kernel: every port is open then; not "
                            "while the agent runs",
                            "  systemctl stop sekisho-agent && sekisho dataplane detach\n");
    detach.add_option("--config", words.config, "Configuration file (default /etc/sekisho/sekisho.toml)")
        ->type_name("FILE");
}

void add_quarantine(CLI::App& app, Words& words) {
    CLI::App& quarantine =
        group(app, "quarantine", "Infected subscribers: no mail server can be reached, not even your own",
              "  sekisho quarantine add 192.0.2.10 --note 'ticket 4712'\n  sekisho quarantine list\n");
    CLI::App& add = leaf(quarantine, words, Command::quarantine_add, "add",
                         "Shut a subscriber off; its grant and its connections end",
                         "  sekisho quarantine add 192.0.2.10\n"
                         "  sekisho quarantine add 2001:db8:100::1 --note 'ticket 4712'\n");
    add.add_option("ADDRESS", words.address, "An address of the subscriber")->required()->type_name("");
    add.add_option("--note", words.text, "Why, for colleagues")->type_name("TEXT");
    leaf(quarantine, words, Command::quarantine_list, "list", "All quarantines",
         "  sekisho quarantine list\n  sekisho quarantine list --json\n");
    CLI::App& remove = leaf(quarantine, words, Command::quarantine_remove, "remove", "End a quarantine",
                            "  sekisho quarantine remove 192.0.2.10\n");
    remove.add_option("ADDRESS", words.address, "An address of the subscriber")->required()->type_name("");
}

void add_lockout(CLI::App& app, Words& words) {
    CLI::App& lockout =
        group(app, "lockout", "Who may not log in for now, because too many logins have failed",
              "  sekisho lockout list\n  sekisho lockout remove 192.0.2.10\n");
    leaf(lockout, words, Command::lockout_list, "list", "Addresses, networks and users that are locked",
         "  sekisho lockout list\n  sekisho lockout list --json | jq -r '.lockouts[].who'\n");
    leaf(lockout, words, Command::lockout_remove, "remove", "Let somebody log in again at once",
         "  sekisho lockout remove 192.0.2.10\n  sekisho lockout remove 203.0.113.0/24\n"
         "  sekisho lockout remove anna@example.net\n")
        .add_option("WHO", words.name, "An address, a network or a user, as it stands in the list")
        ->required()
        ->type_name("");
}

void add_subscriber(CLI::App& app, Words& words) {
    CLI::App& subscriber = group(app, "subscriber", "Who has which addresses now: sessions of subscribers",
                                 "  sekisho subscriber list\n  sekisho subscriber show 192.0.2.10\n");
    CLI::App& list = leaf(subscriber, words, Command::subscriber_list, "list",
                          "The sessions that are known, in the order of their ids",
                          "  sekisho subscriber list\n  sekisho subscriber list --from 4711 -n 50\n"
                          "  sekisho subscriber list --nas bng1 --within 192.0.2.0/24\n"
                          "  sekisho subscriber list --json | jq -r '.subscribers[].user'\n");
    list.add_option("--from", words.from, "Begin at this id (default: the first)")->type_name("ID");
    list.add_option("-n", words.count, "How many to show, up to 10000 (default: 1000)")->type_name("COUNT");
    list.add_option("--within", words.prefix,
                    "Only those with addresses in this prefix, or with one around it")
        ->type_name("PREFIX");
    list.add_option("--user", words.user, "Only those of this user")->type_name("NAME");
    list.add_option("--nas", words.nas, "Only those of this NAS, as the list names it, or of this client")
        ->type_name("NAME");
    CLI::App& show = leaf(subscriber, words, Command::subscriber_show, "show", "One session",
                          "  sekisho subscriber show 4711\n  sekisho subscriber show 2001:db8:100::1\n");
    show.add_option("SUBSCRIBER", words.name, "Its id as it stands in the list, or an address that it has")
        ->required()
        ->type_name("");
    CLI::App& import =
        leaf(subscriber, words, Command::subscriber_import, "import",
             "Say who has which addresses now, by a list, where no RADIUS does; who stood in an earlier list "
             "and not in this one has gone",
             "  sekisho subscriber import subscribers.csv\n"
             "  ./leases-as-json | sekisho subscriber import -\n\n"
             "A list as CSV:\n"
             "  id,user,prefixes,class,filter_id\n"
             "  c-17,anna@example.net,192.0.2.17 2001:db8:100:1100::/56,residential,\n");
    import.add_option("FILE", words.name, "CSV, or JSON as the API takes it; - for standard input")
        ->required()
        ->type_name("");
    import.add_flag("--empty", words.empty, "Take a list without subscribers: every imported session ends");
}

void add_user(CLI::App& app, Words& words) {
    CLI::App& user = group(app, "user", "Who may log in at the submission server",
                           "  sekisho user add anna@example.net\n  sekisho user list\n");
    const auto named = [&user, &words](Command command, const std::string& name, const std::string& about,
                                       const std::string& examples) {
        leaf(user, words, command, name, about, examples)
            .add_option("NAME", words.name, "The user's name, as mail programs send it")
            ->required()
            ->type_name("");
    };
    named(Command::user_add, "add",
          "Let a user log in; the password is asked for twice, or read from standard input",
          "  sekisho user add anna@example.net\n"
          "  sekisho user add anna@example.net < password.txt\n"
          "  sekisho user add copier@example.net --recoverable\n");
    leaf(user, words, Command::user_list, "list", "All users, and how their passwords are kept",
         "  sekisho user list\n  sekisho user list --json | jq -r '.users[].name'\n");
    named(Command::user_passwd, "passwd",
          "Give a user another password; it is asked for twice, or read from standard input",
          "  sekisho user passwd anna@example.net\n"
          "  sekisho user passwd copier@example.net --recoverable\n");
    for (const char* const each : {"add", "passwd"}) {
        CLI::Option* const recoverable = user.get_subcommand(each)->add_flag(
            "--recoverable", words.recoverable,
            "Keep the password itself, too, encrypted: for a device that knows only CRAM-MD5 or DIGEST-MD5");
        user.get_subcommand(each)
            ->add_flag("--hashed", words.hashed, "Keep nothing that the password could be had from again")
            ->excludes(recoverable);
    }
    named(Command::user_remove, "remove", "Let a user log in no longer",
          "  sekisho user remove anna@example.net\n");
    leaf(user, words, Command::user_usage, "usage",
         "To how many recipients users have sent, in the last hour and the last 24, and what they may",
         "  sekisho user usage\n  sekisho user usage anna@example.net\n"
         "  sekisho user usage --json | jq -r '.senders[] | select(.stopped) | .user'\n")
        .add_option("NAME", words.name, "Only this user (default: all who have sent, the busiest first)")
        ->type_name("");
    named(Command::user_stop, "stop",
          "Let a user send nothing any more, and hold what waits of theirs: a stolen account",
          "  sekisho user stop anna@example.net --reason 'ticket 4713'\n");
    user.get_subcommand("stop")->add_option("--reason", words.text, "Why, for colleagues")->type_name("TEXT");
    named(Command::user_resume, "resume", "Let a user send again; what was held goes on its way",
          "  sekisho user resume anna@example.net\n"
          "  sekisho user passwd anna@example.net && sekisho user resume anna@example.net --discard\n");
    user.get_subcommand("resume")->add_flag("--discard", words.discard,
                                            "Throw away what was held: it was a thief's");
}

// Why it can't be what stands behind an @; empty if it can. A slip mustn't become "everything".
std::string no_domain(const std::string& text) {
    const bool good = !text.empty() && text.find_first_of("@ \t") == std::string::npos;
    return good ? std::string() : "\"" + text + "\" is no domain; write it like example.com";
}

void add_queue(CLI::App& app, Words& words) {
    CLI::App& queue = group(app, "queue", "Mail that was accepted and has not arrived yet",
                            "  sekisho queue list\n  sekisho queue flush example.com\n");
    leaf(queue, words, Command::queue_list, "list", "All messages that wait, the oldest first",
         "  sekisho queue list\n  sekisho queue list --json | jq -r '.messages[].id'\n");
    const auto with_id = [&queue, &words](Command command, const std::string& name, const std::string& about,
                                          const std::string& examples) {
        leaf(queue, words, command, name, about, examples)
            .add_option("ID", words.name, "As it stands in the list and in the log")
            ->required()
            ->type_name("");
    };
    with_id(Command::queue_show, "show", "One message: who still waits for it, and why",
            "  sekisho queue show 7h2k9f0q3m1x8z4c\n");
    leaf(queue, words, Command::queue_flush, "flush", "Try everything, or what is for one domain, again now",
         "  sekisho queue flush\n  sekisho queue flush example.com\n")
        .add_option("DOMAIN", words.name, "Behind the recipients' @ (default: all)")
        ->type_name("")
        ->check(no_domain);
    with_id(Command::queue_hold, "hold", "Keep a message here: nobody is tried until it is released",
            "  sekisho queue hold 7h2k9f0q3m1x8z4c\n");
    with_id(Command::queue_release, "release", "Let a message that was held go on its way, at once",
            "  sekisho queue release 7h2k9f0q3m1x8z4c\n");
    with_id(Command::queue_delete, "delete", "Throw a message away; nobody is told",
            "  sekisho queue delete 7h2k9f0q3m1x8z4c\n");
}

void add_why_relay(CLI::App& app, Words& words) {
    CLI::App& why =
        leaf(app, words, Command::why_relay, "why-relay",
             "What the submission server would do with mail, rule by rule",
             "  sekisho why-relay --client 192.0.2.10 --from anna@example.net --to bob@example.com\n"
             "  sekisho why-relay --client 2001:db8:100::1 --user anna --from anna@example.net "
             "--to bob@example.com --listener 2\n");
    why.add_option("--client", words.address, "The client's address")->required()->type_name("ADDRESS");
    why.add_option("--user", words.user, "Who would have logged in (default: nobody)")->type_name("NAME");
    why.add_option("--from", words.sender, "The sender, as in MAIL FROM")->required()->type_name("ADDRESS");
    why.add_option("--to", words.recipient, "The recipient, as in RCPT TO")->required()->type_name("ADDRESS");
    why.add_option("--interface", words.arrival,
                   "By which interface of the box it would come, for relay_interfaces (default: unknown)")
        ->type_name("NAME");
    why.add_option("--listener", words.listener,
                   "Which [[submission.listener]], from 1, as they stand in the configuration (default: 1)")
        ->type_name("N");
}

void add_events(CLI::App& app, Words& words) {
    CLI::App& events = leaf(app, words, Command::events, "events", "What was decided about port 25, and why",
                            "  sekisho events\n  sekisho events --follow\n"
                            "  sekisho events --user anna --since 2h\n"
                            "  sekisho events --within 192.0.2.0/24 --event LOGIN_REFUSED -n 1000 --json\n");
    events.add_flag("-f,--follow", words.follow, "Go on with those that come, until it is interrupted");
    events.add_option("-n", words.count, "How many of the last ones to show (default: 20, at most 10000)")
        ->type_name("N");
    events.add_option("--since", words.since, "Only those of the last so long: 30m, 2h, 7d")
        ->type_name("DURATION");
    events.add_option("--within", words.prefix, "Only those about this subscriber, or within this prefix")
        ->type_name("PREFIX");
    events.add_option("--user", words.user, "Only those of logins of this user")->type_name("NAME");
    events.add_option("--reporter", words.reporter, "Only those of logins that this reporter told of")
        ->type_name("NAME");
    events.add_option("--event", words.event, "Only those of this name, see sekishod(8)")->type_name("NAME");
    events.add_option("--session", words.session, "Only those about this session of a subscriber")
        ->type_name("ID");
    events.add_option("--before", words.before, "Only those before this id, as --json names it")
        ->type_name("ID");
}

}  // namespace

CLI::App& leaf(CLI::App& parent, Words& words, Command command, const std::string& name,
               const std::string& about, const std::string& examples) {
    CLI::App* const app = parent.add_subcommand(name, about);
    app->footer("--json and --socket PATH may be given, too; see sekisho --help.\n\nExamples:\n" + examples);
    app->callback([&words, command] { words.command = command; });
    return *app;
}

CLI::App& group(CLI::App& parent, const std::string& name, const std::string& about,
                const std::string& examples) {
    CLI::App* const app = parent.add_subcommand(name, about);
    app->footer("Examples:\n" + examples);
    app->require_subcommand(1);
    return *app;
}

// Its name, for "see sekisho grant add --help".
std::string name_of(CLI::App& app) {
    std::string name;
    for (const CLI::App* at = &deepest(app); at != nullptr; at = at->get_parent()) {
        name.insert(0, at->get_name() + (name.empty() ? "" : " "));
    }
    return name;
}

// The footer is added here: from version 2.5 on CLI11 folds the lines of a footer into a paragraph.
std::string help_of(CLI::App& app) {
    const std::string footer = deepest(app).get_footer();
    deepest(app).footer("");
    std::string text = app.help();
    text.erase(text.find_last_not_of('\n') + 1);
    return text + "\n\n" + footer;
}

void set_up(CLI::App& app, Words& words) {
    // Inherited by the subcommands: what they don't know is looked up here, so the options may stand behind
    // them.
    app.fallthrough();
    app.require_subcommand(1);
    app.set_help_flag("-h,--help", "Print this and exit");
    app.set_version_flag("--version", "sekisho " SEKISHO_VERSION,
                         "Print the version of this command and exit");
    app.add_flag("--json", words.json, "Print JSON, one line");
    app.add_option(
           "--socket", words.socket,
           "The socket to ask at (default: agent.sock in /run/sekisho; auth.sock for `user`, "
           "mail.sock for `queue` and `user usage`, `stop`, `resume`, submission.sock for `why-relay`)")
        ->type_name("PATH");
    app.footer(
        "--json and --socket may stand behind the command, too.\n"
        "Exit codes: 0 done, 1 refused or failed, 2 wrong usage.\n\n"
        "Examples:\n"
        "  sekisho status\n"
        "  sekisho why 192.0.2.10\n"
        "  sekisho grant add 192.0.2.10 --for 1h --reason 'ticket 4711'\n"
        "  sekisho grant add --help\n");
    add_plain(app, words);
    add_events(app, words);
    add_logins(app, words);
    add_grant(app, words);
    add_exempt(app, words);
    add_blocked(app, words);
    add_dataplane(app, words);
    add_quarantine(app, words);
    add_lockout(app, words);
    add_subscriber(app, words);
    add_user(app, words);
    add_queue(app, words);
    add_why_relay(app, words);
    add_machine(app, words);
}

}  // namespace sekisho::cli
