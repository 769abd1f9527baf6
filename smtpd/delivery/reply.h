// SPDX-License-Identifier: Apache-2.0
// Replies of other servers (RFC 5321, 4.2), read strictly. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace sekisho::delivery {

struct Reply {
    int code = 0;                    // 200 to 599
    std::vector<std::string> lines;  // as they came, without code and line end

    // What was asked has been done. 3xx is none: there it depends on what comes next.
    [[nodiscard]] bool positive() const { return code >= 200 && code < 300; }
    [[nodiscard]] bool temporary() const { return code >= 400 && code < 500; }
    [[nodiscard]] bool permanent() const { return code >= 500; }
    // "550 5.1.1 <x@example.com>: unknown", printable, for logs and notices; at most 500 octets.
    [[nodiscard]] std::string text() const;
    // Whether an EHLO reply has this keyword.
    [[nodiscard]] bool offers(std::string_view keyword) const;
    // "5.1.1" where the server gave one of its code's class, else a general one of that class.
    [[nodiscard]] std::string status() const;
};

// Takes whole replies out of a stream of octets.
class ReplyReader {
public:
    // A reply, if one is complete now; Failure::invalid where this is no SMTP, or longer than a reply may be
    // (64 KiB).
    [[nodiscard]] Result<std::optional<Reply>> feed(std::string_view octets);
    // Whether all that came has been taken out.
    [[nodiscard]] bool empty() const { return pending_.empty() && size_ == 0; }

private:
    [[nodiscard]] Result<bool> take_line(std::string_view line);

    std::string pending_;
    Reply reply_;
    std::size_t size_ = 0;
};

}  // namespace sekisho::delivery
