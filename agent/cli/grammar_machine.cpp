// SPDX-License-Identifier: Apache-2.0
// Commands about the machine itself: what it runs, what it is, and what else is on it.
#include <string>

#include "agent/cli/grammar.h"

namespace sekisho::cli {

namespace {

void add_image(CLI::App& app, Words& words) {
    CLI::App& image = group(app, "image", "The appliance's own versions: it has room for two",
                            "  sekisho image status\n  sekisho image update sekisho-1.2.update --reboot\n");
    leaf(image, words, Command::image_status, "status", "Which versions are there, which runs, which is next",
         "  sekisho image status\n  sekisho image status --json | jq -r .running\n");
    CLI::App& update =
        leaf(image, words, Command::image_update, "update",
             "Put another version beside the one that runs; it is taken at the next boot, and given "
             "up if it isn't well after three",
             "  sekisho image update /media/sekisho-1.2.update\n"
             "  sekisho image update https://mirror.example.net/sekisho-1.2.update --reboot\n");
    update.add_option("SOURCE", words.name, "A file, or where it is fetched from")->required()->type_name("");
    update.add_flag("--allow-older", words.older, "Also one that is older than what runs");
    update.add_flag("--reboot", words.reboot, "Begin with it at once");
    leaf(image, words, Command::image_rollback, "rollback", "Take the other version from the next boot on",
         "  sekisho image rollback && systemctl reboot\n");
    leaf(image, words, Command::image_confirm, "confirm",
         "Call the version that runs good before it has shown it by itself", "  sekisho image confirm\n");
    leaf(image, words, Command::image_factory_reset, "factory-reset",
         "Begin anew at the next boot: without configuration, users, and mail that waits",
         "  sekisho image factory-reset --yes && systemctl reboot\n")
        .add_flag("--yes", words.yes, "Yes, all of it");
    CLI::App& install =
        leaf(image, words, Command::image_install, "install",
             "Put the version that runs, from a stick, on a disk of this machine, which becomes a new box",
             "  sekisho image install\n  sekisho image install /dev/nvme0n1 --yes\n");
    install.add_option("DISK", words.name, "The disk (default: it is asked for)")->type_name("");
    install.add_flag("--yes", words.yes, "Yes, all that is on that disk is lost");
}

void add_backup(CLI::App& app, Words& words) {
    leaf(app, words, Command::backup, "backup",
         "Write what this machine is into one file: configuration, keys, users, and what operators have said",
         "  sekisho backup edge1.tar.gz\n  ssh edge1 sekisho backup - > edge1.tar.gz\n")
        .add_option("FILE", words.name, "The file, or - for standard output")
        ->required()
        ->type_name("");
    CLI::App& restore =
        leaf(app, words, Command::restore, "restore",
             "Make this machine what another one was; what it is now is kept in a backup of its own",
             "  sekisho restore edge1.tar.gz --yes\n");
    restore.add_option("FILE", words.name, "What `sekisho backup` has written")->required()->type_name("");
    restore.add_flag("--yes", words.yes, "Yes, in the place of all there is");
}

void add_mailbox(CLI::App& app, Words& words) {
    CLI::App& mailbox = group(app, "mailbox", "The Dovecot on this box: POP and IMAP",
                              "  sekisho mailbox apply --print\n  sekisho mailbox apply\n");
    CLI::App& apply = leaf(mailbox, words, Command::mailbox_apply, "apply",
                           "Write Dovecot's configuration as [mailbox] says; without [mailbox], remove it",
                           "  sekisho mailbox apply && systemctl reload dovecot\n"
                           "  sekisho mailbox apply --print --config ./sekisho.toml\n");
    apply.add_flag("--print", words.print, "Only show it, without the secrets in it");
    apply.add_option("--config", words.config, "Configuration file (default /etc/sekisho/sekisho.toml)")
        ->type_name("FILE");
}

void add_certificate(CLI::App& app, Words& words) {
    CLI::App& certificate = group(app, "certificate", "The submission server's certificate",
                                  "  sekisho certificate show\n"
                                  "  sekisho certificate fetch && sekisho certificate install\n");
    leaf(certificate, words, Command::certificate_show, "show", "For which names, until when, signed by whom",
         "  sekisho certificate show\n  sekisho certificate show --json | jq .days\n");
    leaf(certificate, words, Command::certificate_fetch, "fetch",
         "Have one signed as [acme] says, if what was signed last ends soon; it is not in use yet",
         "  sekisho certificate fetch\n  sekisho certificate fetch --force\n")
        .add_flag("--force", words.force, "Also if what was signed last is good for long");
    leaf(certificate, words, Command::certificate_install, "install",
         "Put what was signed in its place, and tell the daemons", "  sekisho certificate install\n");
    for (const char* const each : {"show", "fetch", "install"}) {
        certificate.get_subcommand(each)
            ->add_option("--config", words.config, "Configuration file (default /etc/sekisho/sekisho.toml)")
            ->type_name("FILE");
    }
}

void add_setup(CLI::App& app, Words& words) {
    CLI::App& setup =
        leaf(app, words, Command::setup, "setup",
             "Ask for interfaces, pools, designated servers, domain and first user, write the configuration, "
             "and start the daemons",
             "  sekisho setup\n  sekisho setup --replace\n  sekisho setup --no-start < answers.txt\n");
    setup.add_option("--config", words.config, "The file to write (default /etc/sekisho/sekisho.toml)")
        ->type_name("FILE");
    setup.add_flag("--replace", words.replace,
                   "Take the place of a configuration that somebody has worked on; it is kept beside");
    setup.add_flag("--no-start", words.no_start, "Start nothing, but say which commands do");
}

}  // namespace

void add_machine(CLI::App& app, Words& words) {
    add_image(app, words);
    add_backup(app, words);
    add_mailbox(app, words);
    add_certificate(app, words);
    add_setup(app, words);
}

}  // namespace sekisho::cli
