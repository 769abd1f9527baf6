// SPDX-License-Identifier: Apache-2.0
// Encrypting and finding them.
#include "smtpd/sasl/recoverable_passwords.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <utility>

#include "agent/base/log.h"

namespace sekisho::sasl {

namespace {

constexpr std::string_view scheme = "{AES-256-GCM}";
constexpr std::size_t key_size = 32;
constexpr std::size_t nonce_size = 12;
constexpr std::size_t tag_size = 16;

struct FreeCipher {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

const unsigned char* octets_in(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

// What a record belongs to.
std::string owner(std::string_view name, std::string_view hash) {
    return std::string(name) + "\n" + std::string(hash);
}

std::optional<std::string> sealed(const SecretText& key, std::string_view whose, std::string_view password) {
    std::string record(nonce_size + password.size() + tag_size, '\0');
    auto* const nonce = reinterpret_cast<unsigned char*>(record.data());
    unsigned char* const text = nonce + nonce_size;
    const Cipher cipher(EVP_CIPHER_CTX_new());
    int size = 0;
    if (!cipher || RAND_bytes(nonce, nonce_size) != 1 ||
        EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, octets_in(key.view()), nonce) != 1 ||
        EVP_EncryptUpdate(cipher.get(), nullptr, &size, octets_in(whose), static_cast<int>(whose.size())) !=
            1 ||
        EVP_EncryptUpdate(cipher.get(), text, &size, octets_in(password),
                          static_cast<int>(password.size())) != 1 ||
        EVP_EncryptFinal_ex(cipher.get(), text + size, &size) != 1 ||
        EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, tag_size, text + password.size()) != 1) {
        return std::nullopt;
    }
    return record;
}

std::optional<SecretText> opened(const SecretText& key, std::string_view whose, std::string_view record) {
    if (key.empty() || record.size() < nonce_size + tag_size) {
        return std::nullopt;
    }
    const std::string_view nonce = record.substr(0, nonce_size);
    const std::string_view text = record.substr(nonce_size, record.size() - nonce_size - tag_size);
    std::string tag(record.substr(record.size() - tag_size));
    std::string plain(text.size() + 1, '\0');
    const Cipher cipher(EVP_CIPHER_CTX_new());
    int size = 0;
    int rest = 0;
    const bool right =
        cipher &&
        EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, octets_in(key.view()),
                           octets_in(nonce)) == 1 &&
        EVP_DecryptUpdate(cipher.get(), nullptr, &size, octets_in(whose), static_cast<int>(whose.size())) ==
            1 &&
        EVP_DecryptUpdate(cipher.get(), reinterpret_cast<unsigned char*>(plain.data()), &size,
                          octets_in(text), static_cast<int>(text.size())) == 1 &&
        EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, tag_size, tag.data()) == 1 &&
        EVP_DecryptFinal_ex(cipher.get(), reinterpret_cast<unsigned char*>(plain.data()) + size, &rest) == 1;
    std::optional<SecretText> password;
    if (right) {
        password.emplace(std::string_view(plain).substr(0, text.size()));
    }
    wipe(plain);
    return password;
}

// "name:{AES-256-GCM}BASE64".
std::optional<std::pair<std::string, std::string>> record_in(std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !line.substr(colon + 1).starts_with(scheme)) {
        return std::nullopt;
    }
    const auto octets = from_base64(line.substr(colon + 1 + scheme.size()));
    if (!octets || octets->view().size() < nonce_size + tag_size) {
        return std::nullopt;
    }
    return std::pair(std::string(line.substr(0, colon)), std::string(octets->view()));
}

}  // namespace

Result<RecoverablePasswords> RecoverablePasswords::open(std::filesystem::path file,
                                                        std::filesystem::path key) {
    RecoverablePasswords passwords(std::move(file), std::move(key));
    passwords.seen_ = passwords.file_.look();
    if (auto read = passwords.read(); !read) {
        return std::unexpected(read.error());
    }
    if (auto read = passwords.read_key(); !read) {
        return std::unexpected(read.error());
    }
    if (passwords.key_.empty() && !passwords.records_.empty()) {
        log::error("RECOVERABLE_KEY_MISSING",
                   "passwords are kept for CRAM-MD5 and DIGEST-MD5, but not their key",
                   {{"file", passwords.key_file_.path().string()},
                    {"remedy", "bring the key back, or set those passwords anew: sekisho user list"}});
    }
    return passwords;
}

Result<void> RecoverablePasswords::read() {
    const auto text = file_.read();
    if (!text) {
        return std::unexpected(text.error());
    }
    records_.clear();
    other_lines_.clear();
    version_++;
    for (std::string_view left = *text; !left.empty();) {
        const std::size_t end = std::min(left.find('\n'), left.size());
        const std::string_view line = left.substr(0, end);
        if (auto record = record_in(line)) {
            records_.emplace(std::move(record->first), std::move(record->second));
        } else {
            other_lines_.emplace_back(line);
        }
        left.remove_prefix(std::min(end + 1, left.size()));
    }
    return {};
}

Result<void> RecoverablePasswords::read_key() {
    auto text = key_file_.read();
    if (!text) {
        return std::unexpected(text.error());
    }
    if (text->empty()) {
        return {};
    }
    const std::string_view line = std::string_view(*text).substr(0, text->find('\n'));
    auto key = from_base64(line);
    wipe(*text);
    if (!key || key->view().size() != key_size) {
        return fail(
            Failure::invalid, key_file_.path().string() + " holds no key",
            "it is a line of 32 random octets in base64; bring it back, or remove it together with the "
            "passwords that were encrypted by it");
    }
    key_ = std::move(*key);
    version_++;
    return {};
}

// Never in the place of another one.
Result<void> RecoverablePasswords::make_key() {
    if (key_file_.look().there) {
        return fail(Failure::conflict, key_file_.path().string() + " is there, but holds no key",
                    "remove it, or write a line of 32 random octets in base64: openssl rand -base64 32");
    }
    std::array<char, key_size> octets{};
    if (RAND_bytes(reinterpret_cast<unsigned char*>(octets.data()), key_size) != 1) {
        return fail(Failure::unavailable, "OpenSSL has no randomness");
    }
    SecretText key(std::string_view(octets.data(), octets.size()));
    std::string line = to_base64(key.view()) + "\n";
    const auto written = key_file_.replace(line);
    wipe(line);
    OPENSSL_cleanse(octets.data(), octets.size());
    if (written) {
        key_ = std::move(key);
    }
    return written;
}

// What stands on the disk now; a key that was missing may have come back.
Result<void> RecoverablePasswords::refresh() {
    if (key_.empty() && key_file_.look().there) {
        if (auto read = read_key(); !read) {
            return read;
        }
    }
    const KeptFile::Seen now = file_.look();
    if (seen_ == now) {
        return {};
    }
    if (auto fresh = read(); !fresh) {
        // Said once, however often it is tried.
        if (unreadable_ != now) {
            log::error("USERS_UNREADABLE", fresh.error().what + "; those known before stay known",
                       {{"remedy", fresh.error().remedy}});
        }
        unreadable_ = now;
        return fresh;
    }
    unreadable_.reset();
    seen_ = now;
    return {};
}

std::optional<SecretText> RecoverablePasswords::find(const std::string& name, std::string_view hash) const {
    const auto [begin, end] = records_.equal_range(name);
    for (auto each = begin; each != end; ++each) {
        if (auto password = opened(key_, owner(name, hash), each->second)) {
            return password;
        }
    }
    if (begin == end && !records_.empty()) {
        // In vain, for it is somebody else's: who has none costs as much as who has one.
        static_cast<void>(opened(key_, owner(name, hash), records_.begin()->second));
    }
    return std::nullopt;
}

bool RecoverablePasswords::empty() {
    static_cast<void>(refresh());
    return records_.empty();
}

bool RecoverablePasswords::has(const std::string& name, std::string_view hash) {
    return of(name, hash).has_value();
}

bool RecoverablePasswords::covers(const UserList& users) {
    static_cast<void>(refresh());
    if (users.size() == 0 || records_.size() < users.size()) {
        return false;
    }
    return std::ranges::all_of(users.names(), [this, &users](const std::string& name) {
        return find(name, *users.hash_of(name)).has_value();
    });
}

std::optional<SecretText> RecoverablePasswords::of(const std::string& name, std::string_view hash) {
    static_cast<void>(refresh());  // those known before stay known
    return find(name, hash);
}

Result<void> RecoverablePasswords::keep(const std::string& name, std::string_view hash,
                                        const SecretText& password) {
    if (auto fresh = refresh(); !fresh) {
        return fresh;
    }
    if (key_.empty() && !records_.empty()) {
        return fail(Failure::conflict, "the key of the passwords that are kept is missing",
                    "bring " + key_file_.path().string() + " back");
    }
    if (key_.empty()) {
        if (auto made = make_key(); !made) {
            return made;
        }
    }
    auto record = sealed(key_, owner(name, hash), password.view());
    if (!record) {
        return fail(Failure::unavailable, "OpenSSL can't encrypt by AES-256-GCM");
    }
    Records records = records_;
    records.emplace(name, std::move(*record));
    return write(std::move(records));
}

Result<void> RecoverablePasswords::settle(const std::string& name, std::string_view hash) {
    if (auto fresh = refresh(); !fresh) {
        return fresh;
    }
    // Nobody can tell without the key: all of them stay then.
    if (key_.empty() && !hash.empty()) {
        return {};
    }
    Records records = records_;
    const auto [begin, end] = records.equal_range(name);
    for (auto each = begin; each != end;) {
        each = opened(key_, owner(name, hash), each->second) ? std::next(each) : records.erase(each);
    }
    return records.size() == records_.size() ? Result<void>() : write(std::move(records));
}

Result<void> RecoverablePasswords::write(Records records) {
    std::string text;
    for (const std::string& line : other_lines_) {
        text.append(line).append("\n");
    }
    for (const auto& [name, record] : records) {
        text.append(name).append(":").append(scheme).append(to_base64(record)).append("\n");
    }
    if (auto written = file_.replace(text); !written) {
        return written;
    }
    records_ = std::move(records);
    version_++;
    seen_ = file_.look();
    return {};
}

}  // namespace sekisho::sasl
