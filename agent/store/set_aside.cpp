// SPDX-License-Identifier: Apache-2.0
// Renaming; nothing is ever overwritten.
#include "agent/store/set_aside.h"

#include <chrono>
#include <string>
#include <string_view>
#include <system_error>

#include "agent/base/time_text.h"

namespace sekisho::store {

bool may_be_ours(const std::filesystem::path& file) {
    using enum std::filesystem::perms;
    std::error_code error;
    const std::filesystem::file_status status = std::filesystem::symlink_status(file, error);
    return !error && status.type() == std::filesystem::file_type::regular &&
           (status.permissions() & all) == (owner_read | owner_write);
}

Result<std::filesystem::path> set_aside(const std::filesystem::path& file) {
    std::string stamp = rfc3339(std::chrono::system_clock::now());
    std::erase_if(stamp, [](char each) { return each == '-' || each == ':'; });
    const std::string wanted = file.string() + ".aside-" + stamp;
    std::string name = wanted;
    for (int number = 2; std::filesystem::exists(name); number++) {
        name = wanted + "." + std::to_string(number);
    }
    // The file last: whoever is interrupted finds it, and begins again.
    for (const std::string_view suffix : {"-wal", "-shm", ""}) {
        std::error_code error;
        const std::string from = file.string() + std::string(suffix);
        if (!std::filesystem::exists(from, error)) {
            continue;
        }
        std::filesystem::rename(from, name + std::string(suffix), error);
        if (error) {
            return fail(Failure::unavailable, "can't move " + from + " aside: " + error.message(),
                        "move it away, with the files " + file.string() + "-wal and -shm");
        }
    }
    return std::filesystem::path(name);
}

}  // namespace sekisho::store
