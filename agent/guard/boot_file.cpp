// SPDX-License-Identifier: Apache-2.0
// A new file beside the old one, then its name.
#include "agent/guard/boot_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>

#include "agent/base/descriptor.h"

namespace sekisho::guard {

namespace {

bool says(const std::filesystem::path& file, const std::string& text) {
    std::ifstream input(file, std::ios::binary);
    return input && std::string(std::istreambuf_iterator<char>(input), {}) == text;
}

// 0, or an errno.
int write_whole(const std::filesystem::path& file, const std::string& text) {
    constexpr mode_t owner_only = 0600;
    const Descriptor output(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, owner_only));
    std::size_t done = 0;
    while (output && done < text.size()) {
        const ssize_t written = ::write(output.get(), text.data() + done, text.size() - done);
        if (written < 0 && errno != EINTR) {
            return errno;
        }
        done += written > 0 ? static_cast<std::size_t>(written) : 0;
    }
    return output && ::fsync(output.get()) == 0 ? 0 : errno;
}

}  // namespace

bool BootFiles::exist() const {
    std::error_code ignored;
    return std::filesystem::exists(inet, ignored) || std::filesystem::exists(bridge, ignored);
}

BootFiles boot_files(const std::filesystem::path& store) {
    return {.inet = store.parent_path() / "guard.nft", .bridge = store.parent_path() / "guard-bridge.nft"};
}

Result<void> write_boot_file(const std::filesystem::path& file, const std::string& text) {
    if (says(file, text)) {
        return {};
    }
    const std::filesystem::path fresh = file.string() + ".new";
    std::error_code error(write_whole(fresh, text), std::system_category());
    if (!error) {
        std::filesystem::rename(fresh, file, error);
    }
    if (error) {
        std::error_code ignored;
        std::filesystem::remove(fresh, ignored);
        return fail(Failure::unavailable, "can't write " + file.string() + ": " + error.message(),
                    "make room there, and let the agent write; until then the next boot has the file as it "
                    "was before");
    }
    // The name, too, is on the disk.
    if (const Descriptor directory(::open(file.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        directory) {
        static_cast<void>(::fsync(directory.get()));
    }
    return {};
}

Result<void> remove_boot_files(const BootFiles& files) {
    for (const std::filesystem::path& file : {files.inet, files.bridge}) {
        std::error_code error;
        std::filesystem::remove(file, error);
        if (error) {
            return fail(Failure::unavailable, "can't remove " + file.string() + ": " + error.message(),
                        "remove it, or the next boot closes port 25 on interfaces that aren't judged");
        }
    }
    return {};
}

}  // namespace sekisho::guard
