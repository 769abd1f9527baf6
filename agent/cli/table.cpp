// SPDX-License-Identifier: Apache-2.0
// Columns of text, aligned.
#include "agent/cli/table.h"

#include <algorithm>
#include <cstddef>
#include <ostream>
#include <utility>

namespace sekisho::cli {

namespace {

std::size_t width_of(const std::string& text) {
    // Every byte of UTF-8 but the continuation bytes begins a code point.
    return static_cast<std::size_t>(std::ranges::count_if(
        text, [](char letter) { return (static_cast<unsigned char>(letter) & 0xc0U) != 0x80U; }));
}

void print_row(std::ostream& out, const std::vector<std::string>& row,
               const std::vector<std::size_t>& widths) {
    std::string line;
    for (std::size_t column = 0; column < row.size(); ++column) {
        line += row[column];
        line.append(widths[column] - width_of(row[column]) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
}

void widen(std::vector<std::size_t>& widths, const std::vector<std::string>& row) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t column = 0; column < row.size(); ++column) {
        widths[column] = std::max(widths[column], width_of(row[column]));
    }
}

}  // namespace

Table::Table(std::vector<std::string> heads) : heads_(std::move(heads)) {}

void Table::add(std::vector<std::string> row) {
    rows_.push_back(std::move(row));
}

void Table::print(std::ostream& out) const {
    std::vector<std::size_t> widths;
    widen(widths, heads_);
    for (const auto& row : rows_) {
        widen(widths, row);
    }
    if (!heads_.empty()) {
        print_row(out, heads_, widths);
    }
    for (const auto& row : rows_) {
        print_row(out, row, widths);
    }
}

}  // namespace sekisho::cli
