// SPDX-License-Identifier: Apache-2.0
// Secrets in files, and comparing them.
#include "agent/base/secret.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <stdexcept>

#include "agent/base/descriptor.h"

namespace sekisho {
namespace {

constexpr std::size_t largest_secret = 4096;

Result<std::string> read_up_to(int fd, std::size_t limit, const std::string& name) {
    std::string content(limit, '\0');
    std::size_t filled = 0;
    while (filled < limit) {
        const ssize_t got = ::read(fd, content.data() + filled, limit - filled);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return fail(Failure::unavailable, "can't read " + name + ": " + std::strerror(errno));
        }
        if (got == 0) {
            break;
        }
        filled += static_cast<std::size_t>(got);
    }
    content.resize(filled);
    return content;
}

Result<std::string> one_line(std::string content, const std::string& name) {
    const std::string remedy = "put the secret alone into its first line, without blanks around it";
    if (content.ends_with('\n')) {
        content.pop_back();
        if (content.ends_with('\r')) {
            content.pop_back();
        }
    }
    if (content.empty()) {
        return fail(Failure::invalid, name + " is empty", remedy);
    }
    if (std::ranges::any_of(content, [](unsigned char c) { return c < 0x20 || c == 0x7f; })) {
        return fail(Failure::invalid, name + " has more than one line, or control characters", remedy);
    }
    return content;
}

using Digest = std::array<unsigned char, 32>;

Digest digest(std::string_view text) {
    static EVP_MD* const sha256 = ::EVP_MD_fetch(nullptr, "SHA256", nullptr);  // each time it costs a search
    Digest result{};
    if (sha256 == nullptr ||
        EVP_Digest(text.data(), text.size(), result.data(), nullptr, sha256, nullptr) != 1) {
        throw std::runtime_error("OpenSSL has no SHA-256");
    }
    return result;
}

}  // namespace

Result<std::string> read_secret(const std::filesystem::path& path) {
    const std::string name = path.string();
    // O_NONBLOCK: a FIFO in this place must not hang the daemon.
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat status{};
    if (file.get() < 0 || ::fstat(file.get(), &status) != 0) {
        const int code = errno;
        return fail(Failure::unavailable, "can't open " + name + ": " + std::strerror(code),
                    code == ENOENT
                        ? "create it, for instance: openssl rand -hex 32 | install -m 0600 /dev/stdin " + name
                        : "check its owner and mode");
    }
    if (!S_ISREG(status.st_mode)) {
        return fail(Failure::invalid, name + " is not a regular file");
    }
    if ((status.st_mode & (S_IROTH | S_IWOTH)) != 0) {
        return fail(Failure::invalid, name + " can be read or written by everybody",
                    "chmod 0600 " + name + ", and change the secret: it may be known");
    }
    auto content = read_up_to(file.get(), largest_secret + 1, name);
    if (!content) {
        return content;
    }
    if (content->size() > largest_secret) {
        return fail(Failure::invalid, name + " is longer than 4096 bytes");
    }
    return one_line(std::move(*content), name);
}

SecretDigest::SecretDigest(std::string_view secret) : digest_(digest(secret)) {}

bool SecretDigest::is_of(std::string_view word) const {
    const Digest given = digest(word);
    return CRYPTO_memcmp(digest_.data(), given.data(), digest_.size()) == 0;
}

bool same_secret(std::string_view secret, std::string_view word) {
    return SecretDigest(secret).is_of(word);
}

}  // namespace sekisho
