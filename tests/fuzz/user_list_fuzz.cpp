// SPDX-License-Identifier: Apache-2.0
// The user file: nothing in it is lost, nobody stands in it twice, and whoever is removed stays removed.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "smtpd/sasl/mechanism.h"
#include "smtpd/sasl/password_hash.h"
#include "smtpd/sasl/user_list.h"
#include "tests/fuzz/invariant.h"

using sekisho::fuzz::require;
namespace sasl = sekisho::sasl;

namespace {

// Made by mkpasswd: the password is "correct horse".
const std::string other_hash = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$zwtVrjrUCmXcyLTs6oxLTQlzifSUkF8RHJ./tK5KU79";
const std::string other_keys =
    "{SCRAM-SHA-1}4096,mnjGrP/6xiXgvdT+2S0o5Q==,vo1FchiY9hbMoVRam7Ft0lYDcSQ=,KtSetPEMBhmwPgm81i3l9lx1x4M=";
constexpr std::size_t most_changed = 8;

void check(const sasl::UserList& list) {
    const std::vector<std::string> names = list.names();
    require(names.size() == list.size(), "each user has a name");
    require(std::ranges::adjacent_find(names, std::ranges::greater_equal()) == names.end(),
            "names are sorted, and nobody's is another's");
    for (const std::string& name : names) {
        require(sasl::user_key(name) == name && !sasl::unfit_name(name), "a name is one");
        const std::string* hash = list.hash_of(name);
        require(hash != nullptr && sasl::scheme_of(*hash).has_value(), "whose hash is one");
    }
    for (const sasl::ScramHash hash : sasl::scram_hashes) {
        const auto has_keys = [&](const std::string& name) { return list.keys_of(name, hash).has_value(); };
        require(list.all_have_keys(hash) == std::ranges::all_of(names, has_keys), "all means all");
    }
    require((list.any_hash(names.size() / 2) != nullptr) == !names.empty(), "a stand-in is somebody's");
    std::size_t last = 0;
    for (const sasl::BadLine& line : list.bad_lines()) {
        require(line.number > last && !line.what.empty(), "bad lines are in order, and have words");
        last = line.number;
    }
    const std::string text = list.text();
    require(last <= static_cast<std::size_t>(std::ranges::count(text, '\n')), "and are lines of the file");
    const auto again = sasl::UserList::parse(text);
    require(again.text() == text, "what was written is read the same");
    require(again.names() == names && again.bad_lines() == list.bad_lines(), "and means the same");
}

void change(const sasl::UserList& list) {
    std::vector<std::string> names = list.names();
    names.resize(std::min(names.size(), most_changed));
    for (const std::string& name : names) {
        sasl::UserList changed = list;
        require(!changed.add(name, other_hash), "nobody is added twice");
        require(changed.change(name, other_hash).has_value(), "who is there can be changed");
        require(*changed.hash_of(name) == other_hash, "to another hash");
        require(!changed.keys_of(name, sasl::ScramHash::sha1), "without the keys of the one before");
        check(changed);
        require(changed.remove(name).has_value(), "and removed");
        require(changed.hash_of(name) == nullptr && changed.size() + 1 == list.size(), "alone");
        check(changed);
        require(changed.add(name, other_hash + ":" + other_keys).has_value(), "and added");
        require(changed.keys_of(name, sasl::ScramHash::sha1).has_value(), "with keys");
        require(changed.names() == list.names(), "and is back");
        check(changed);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto list = sasl::UserList::parse(text);
    check(list);
    const std::string kept = list.text();
    require(kept.size() == text.size() + (text.empty() || text.ends_with('\n') ? 0 : 1), "no line is lost");
    change(list);
    return 0;
}
