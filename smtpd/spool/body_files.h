// SPDX-License-Identifier: Apache-2.0
// Large bodies, each a file of its own beside the database: what lies in the database is written twice, in
// many small steps. A file is whole and on the disk before the commit that knows of it, and is removed after
// the commit that forgets it; one that nobody knows is removed at the next start. Internal to this room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "agent/base/descriptor.h"
#include "agent/base/result.h"

namespace sekisho::spool {

class BodyFiles {
public:
    using Read = std::function<Result<void>(std::uint64_t offset, char* to, std::size_t size)>;

    // Those of a spool, in the directory SPOOL-bodies, which is made with 0700 where it is missing. Each has
    // the name of its message's id, which is random: no spool takes those of another for its own.
    [[nodiscard]] static Result<BodyFiles> open(const std::filesystem::path& spool);

    // Writes the body of a message, instead of what an attempt before has left. Failure::unavailable, and
    // nothing is left, where there is no room; Failure::invalid for an id that is none; or what `read` says.
    [[nodiscard]] Result<void> write(std::string_view id, std::uint64_t size, const Read& read) const;
    // The names of all that was written are on the disk.
    [[nodiscard]] Result<void> sync() const;
    // Nothing where there is none, or where that is no id.
    void remove(std::string_view id) const;
    // The ids of those that are there.
    [[nodiscard]] std::set<std::string> all() const;
    // A part of it; less than `size` at its end. Failure::not_found where it is gone.
    [[nodiscard]] Result<std::string> part(std::string_view id, std::uint64_t offset, std::size_t size) const;

private:
    BodyFiles(std::filesystem::path directory, Descriptor opened)
        : directory_(std::move(directory)), opened_(std::move(opened)) {}
    [[nodiscard]] std::unexpected<Error> trouble(std::string_view id, const char* what) const;

    std::filesystem::path directory_;
    Descriptor opened_;
};

}  // namespace sekisho::spool
