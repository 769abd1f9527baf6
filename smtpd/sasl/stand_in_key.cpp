// SPDX-License-Identifier: Apache-2.0
// The key's file.
#include "smtpd/sasl/stand_in_key.h"

#include <fcntl.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "agent/base/descriptor.h"
#include "agent/base/log.h"

namespace sekisho::sasl {

namespace {

constexpr std::size_t key_octets = 32;
constexpr mode_t for_owner_alone = 0600;

// Empty if there is no whole key.
std::string kept_key(const std::filesystem::path& path) {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
    std::string key(key_octets, '\0');
    const bool whole = file && ::read(file.get(), key.data(), key.size()) == static_cast<ssize_t>(key.size());
    return whole ? key : std::string();
}

// 0, or the errno. A key by halves is none, and is written again.
int keep(const std::filesystem::path& path, const std::string& key) {
    const Descriptor file(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, for_owner_alone));
    if (!file) {
        return errno;
    }
    const ssize_t written = ::write(file.get(), key.data(), key.size());
    return written == static_cast<ssize_t>(key.size()) ? 0 : written < 0 ? errno : EIO;
}

}  // namespace

Result<std::string> stand_in_key(const std::filesystem::path& file) {
    std::string key = kept_key(file);
    if (!key.empty()) {
        return key;
    }
    key.resize(key_octets);
    if (::RAND_bytes(reinterpret_cast<unsigned char*>(key.data()), static_cast<int>(key.size())) != 1) {
        return fail(Failure::unavailable, "OpenSSL has no randomness");
    }
    if (const int code = keep(file, key); code != 0) {
        log::warning("STAND_INS_NOT_KEPT",
                     "after the next start strangers may tell by SCRAM's salts which names are nobody's",
                     {{"file", file.string()}, {"error", std::strerror(code)}});
    }
    return key;
}

}  // namespace sekisho::sasl
