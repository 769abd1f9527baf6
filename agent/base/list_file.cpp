// SPDX-License-Identifier: Apache-2.0
// Reads a list when it is another one.
#include "agent/base/list_file.h"

#include <utility>

#include "agent/base/prefix_list.h"

namespace sekisho {

ListFile::ListFile(std::filesystem::path path)
    : file_(std::move(path), "put a list of prefixes there, one on each line") {}

Result<std::optional<std::vector<Prefix>>> ListFile::changed() {
    const auto text = file_.changed();
    if (!text) {
        return std::unexpected(text.error());
    }
    const std::optional<std::string>& content = *text;
    if (!content) {
        return std::nullopt;
    }
    auto prefixes = parse_prefix_list(*content);
    if (!prefixes) {
        return fail(prefixes.error().kind, path().string() + ", " + prefixes.error().what,
                    prefixes.error().remedy);
    }
    return std::optional(std::move(*prefixes));
}

}  // namespace sekisho
