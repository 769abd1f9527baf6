// SPDX-License-Identifier: Apache-2.0
// Prefixes flattened into disjoint ranges.
#include "agent/base/ranges.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <ranges>
#include <utility>

namespace sekisho {

namespace {

// The address behind this one, or nothing behind the last.
std::optional<Address> next(Address address) {
    for (int place = address.bits() / 8 - 1; place >= 0; place--) {
        if (++address.bytes.at(static_cast<std::size_t>(place)) != 0) {
            return address;
        }
    }
    return std::nullopt;
}

// One walk over sorted prefixes; those that hold the place reached so far are open.
class Flattening {
public:
    explicit Flattening(Family family) {
        Address zero;
        zero.family = family;
        ranges_.push_back({zero, 0});
    }

    // `pieces` in order: by address, the wider first.
    std::vector<Range> run(const std::vector<Piece>& pieces) {
        for (const Piece& piece : pieces) {
            while (!open_.empty() && !open_.back().prefix.contains(piece.prefix)) {
                close();
            }
            begin(piece.prefix.address, piece.meaning);
            open_.push_back(piece);
        }
        while (!open_.empty()) {
            close();
        }
        return std::move(ranges_);
    }

private:
    void begin(const Address& start, std::uint32_t meaning) {
        if (ranges_.back().start == start) {  // what was begun here is empty
            ranges_.pop_back();
        }
        if (ranges_.empty() || ranges_.back().meaning != meaning) {
            ranges_.push_back({start, meaning});
        }
    }

    // Ends the innermost prefix: what it lies in goes on behind it.
    void close() {
        const Prefix ended = open_.back().prefix;
        open_.pop_back();
        if (const auto behind = next(ended.address.last(ended.length))) {
            begin(*behind, open_.empty() ? 0 : open_.back().meaning);
        }
    }

    std::vector<Range> ranges_;
    std::vector<Piece> open_;
};

}  // namespace

std::vector<Range> flatten(Family family, const std::vector<Piece>& pieces) {
    // Of two that are alike the last one counts.
    std::map<std::pair<Address, decltype(Prefix::length)>, Piece> sorted;
    for (const Piece& piece : pieces) {
        if (piece.prefix.address.family == family) {
            sorted.insert_or_assign({piece.prefix.address, piece.prefix.length}, piece);
        }
    }
    std::vector<Piece> mine;
    std::ranges::copy(std::views::values(sorted), std::back_inserter(mine));
    return Flattening(family).run(mine);
}

}  // namespace sekisho
