// SPDX-License-Identifier: Apache-2.0
// `sekisho mailbox apply`: Dovecot's configuration becomes what [mailbox] says.
#pragma once

#include <filesystem>
#include <iosfwd>

#include "agent/cli/arguments.h"

namespace sekisho::cli {

// Where Dovecot's programs are.
struct DovecotPrograms {
    std::filesystem::path dovecot = "/usr/sbin/dovecot";
    std::filesystem::path doveconf = "/usr/bin/doveconf";
};

[[nodiscard]] int mailbox_command(const Arguments& arguments, std::ostream& out, std::ostream& err,
                                  const DovecotPrograms& programs = {});

}  // namespace sekisho::cli
