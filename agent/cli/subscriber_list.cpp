// SPDX-License-Identifier: Apache-2.0
// CSV read row by row, so that each complaint knows its line.
#include "agent/cli/subscriber_list.h"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/parser.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <utility>

#include "agent/api/subscriber_import.h"
#include "agent/base/nearest.h"
#include "agent/base/printable.h"

namespace sekisho::cli {

namespace json = boost::json;

namespace {

using Subscribers = std::vector<api::ImportedSubscriber>;
using Mistakes = std::vector<ListMistake>;

constexpr std::string_view cell_blanks = " \t\r";

struct CsvRow {
    std::size_t line = 0;  // where it begins
    std::vector<std::string> cells;
};

class CsvReader {
public:
    explicit CsvReader(std::string_view text) : rest_(text) {}

    // The next row that is neither empty nor a comment; nothing at the end. What is wrong with a row leaves
    // the others readable.
    std::optional<std::expected<CsvRow, ListMistake>> next() {
        while (!rest_.empty()) {
            const auto first = rest_.find_first_not_of(cell_blanks);
            if (first != std::string_view::npos && rest_[first] != '#' && rest_[first] != '\n') {
                return read_row();
            }
            skip_line();
        }
        return std::nullopt;
    }

private:
    void skip_line() {
        const auto end = rest_.find('\n');
        line_ += end == std::string_view::npos ? 0 : 1;
        rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    }

    std::expected<CsvRow, ListMistake> read_row() {
        CsvRow row{.line = line_, .cells = {}};
        for (;;) {
            rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size()));
            auto one = rest_.starts_with('"') ? quoted_cell() : plain_cell();
            if (!one) {
                skip_line();
                return std::unexpected(std::move(one.error()));
            }
            row.cells.push_back(std::move(*one));
            if (!rest_.starts_with(',')) {
                skip_line();
                return row;
            }
            rest_.remove_prefix(1);
        }
    }

    std::expected<std::string, ListMistake> plain_cell() {
        std::string_view text = rest_.substr(0, rest_.find_first_of(",\n"));
        if (text.find('"') != std::string_view::npos) {
            return std::unexpected(
                ListMistake{.line = line_,
                            .what = "a quote in the middle of a cell",
                            .remedy = "put the whole cell into quotes, and write a quote in it twice"});
        }
        rest_.remove_prefix(text.size());
        text = text.substr(0, text.find_last_not_of(cell_blanks) + 1);
        return std::string(text);
    }

    // The next letter is a quote.
    std::expected<std::string, ListMistake> quoted_cell() {
        const std::size_t begun = line_;
        std::string text;
        do {
            rest_.remove_prefix(1);
            const std::string_view piece = rest_.substr(0, rest_.find('"'));
            line_ += static_cast<std::size_t>(std::ranges::count(piece, '\n'));
            rest_.remove_prefix(piece.size());
            if (rest_.empty()) {
                return std::unexpected(ListMistake{.line = begun,
                                                   .what = "a quote begins here that doesn't end",
                                                   .remedy = "close it; a quote within quotes stands twice"});
            }
            text += piece;
            rest_.remove_prefix(1);
            text += rest_.starts_with('"') ? "\"" : "";
        } while (rest_.starts_with('"'));
        rest_.remove_prefix(std::min(rest_.find_first_not_of(cell_blanks), rest_.size()));
        if (!rest_.empty() && !rest_.starts_with(',') && !rest_.starts_with('\n')) {
            return std::unexpected(ListMistake{.line = line_,
                                               .what = "text behind a cell's closing quote",
                                               .remedy = "a quote within quotes stands twice"});
        }
        return text;
    }

    std::string_view rest_;
    std::size_t line_ = 1;
};

enum class Column : std::uint8_t { id, user, prefixes, classes, filters };
constexpr std::array<std::string_view, 5> column_names = {"id", "user", "prefixes", "class", "filter_id"};

// Which cell of a row is what.
struct CsvHeader {
    std::array<std::optional<std::size_t>, column_names.size()> places;
    std::size_t cells = 0;

    [[nodiscard]] std::optional<std::size_t>& place(Column column) {
        return places.at(static_cast<std::size_t>(column));
    }
    // The cell of the row; empty if there is no such column.
    [[nodiscard]] std::string_view cell(const CsvRow& row, Column column) const {
        const auto at = places.at(static_cast<std::size_t>(column));
        return at ? std::string_view(row.cells.at(*at)) : std::string_view();
    }
};

ListMistake unknown_column(const CsvRow& row, const std::string& name) {
    std::string remedy = "the columns are id, user, prefixes, class and filter_id";
    if (name.find_first_of(";\t") != std::string::npos) {
        remedy = "separate cells by commas";
    } else if (const auto meant =
                   nearest(name, std::vector<std::string>(column_names.begin(), column_names.end()))) {
        remedy = "did you mean " + *meant + "? " + remedy;
    }
    return {.line = row.line,
            .what = "there is no column \"" + printable(std::string_view(name).substr(0, 64)) + "\"",
            .remedy = std::move(remedy)};
}

CsvHeader read_header(const CsvRow& row, Mistakes& mistakes) {
    CsvHeader header;
    header.cells = row.cells.size();
    for (std::size_t at = 0; at < row.cells.size(); ++at) {
        const std::string& name = row.cells[at];
        const auto* const known = std::ranges::find(column_names, std::string_view(name));
        if (known == column_names.end()) {
            mistakes.push_back(unknown_column(row, name));
            continue;
        }
        auto& place = header.places.at(static_cast<std::size_t>(known - column_names.begin()));
        if (place) {
            mistakes.push_back({.line = row.line,
                                .what = "the column " + name + " stands there twice",
                                .remedy = "several values stand in one cell, separated by blanks"});
        }
        place = at;
    }
    for (const Column needed : {Column::id, Column::prefixes}) {
        if (!header.place(needed)) {
            mistakes.push_back(
                {.line = row.line,
                 .what = "the column " + std::string(column_names.at(static_cast<std::size_t>(needed))) +
                         " is missing",
                 .remedy = "begin with a line that names the columns, such as id,user,prefixes"});
        }
    }
    return header;
}

// What stands between blanks.
std::vector<std::string_view> words_in(std::string_view cell) {
    constexpr std::string_view between = " \t\r\n";
    std::vector<std::string_view> words;
    while (cell.find_first_not_of(between) != std::string_view::npos) {
        cell.remove_prefix(cell.find_first_not_of(between));
        words.push_back(cell.substr(0, cell.find_first_of(between)));
        cell.remove_prefix(words.back().size());
    }
    return words;
}

// Nothing where the row is wrong already.
std::optional<api::ImportedSubscriber> subscriber_of(const CsvRow& row, const CsvHeader& header,
                                                     Mistakes& mistakes) {
    const std::size_t before = mistakes.size();
    if (row.cells.size() != header.cells) {
        mistakes.push_back({.line = row.line,
                            .what = "cells: " + std::to_string(row.cells.size()) +
                                    ", columns: " + std::to_string(header.cells),
                            .remedy = "each row has as many cells as the header; one with a comma in it "
                                      "stands in quotes"});
        return std::nullopt;
    }
    if (!std::ranges::all_of(row.cells, [](const std::string& cell) { return is_utf8(cell); })) {
        mistakes.push_back({.line = row.line,
                            .what = "this is not UTF-8",
                            .remedy = "convert it, such as by iconv -f ISO-8859-1 -t UTF-8"});
        return std::nullopt;
    }
    api::ImportedSubscriber one;
    one.id = header.cell(row, Column::id);
    one.user = header.cell(row, Column::user);
    for (const std::string_view word : words_in(header.cell(row, Column::prefixes))) {
        if (const auto prefix = parse_prefix(word)) {
            one.prefixes.push_back(*prefix);
        } else {
            mistakes.push_back(
                {.line = row.line, .what = prefix.error().what, .remedy = prefix.error().remedy});
        }
    }
    for (const std::string_view word : words_in(header.cell(row, Column::classes))) {
        one.classes.emplace_back(word);
    }
    for (const std::string_view word : words_in(header.cell(row, Column::filters))) {
        one.filters.emplace_back(word);
    }
    return mistakes.size() == before ? std::optional(std::move(one)) : std::nullopt;
}

// Every row behind the header, as far as it can be told.
Subscribers read_rows(CsvReader& reader, const CsvHeader& header, Mistakes& mistakes) {
    Subscribers list;
    api::SubscriberRules rules("line");
    for (auto row = reader.next(); row && mistakes.size() < most_mistakes; row = reader.next()) {
        if (!*row) {
            mistakes.push_back(std::move(row->error()));
            continue;
        }
        auto one = subscriber_of(**row, header, mistakes);
        if (!one) {
            continue;
        }
        if (auto error = rules.broken_by(*one, (*row)->line)) {
            mistakes.push_back({.line = (*row)->line, .what = error->what, .remedy = error->remedy});
        }
        list.push_back(std::move(*one));
    }
    return list;
}

Subscribers read_csv(std::string_view text, Mistakes& mistakes) {
    CsvReader reader(text);
    const auto first = reader.next();
    if (!first) {
        mistakes.push_back({.line = 1,
                            .what = "there is no header line",
                            .remedy = "begin with a line that names the columns, such as id,user,prefixes"});
        return {};
    }
    if (!*first) {
        mistakes.push_back(first->error());
        return {};
    }
    const CsvHeader header = read_header(**first, mistakes);
    // A column that isn't what it should be would make every row wrong.
    return mistakes.empty() ? read_rows(reader, header, mistakes) : Subscribers();
}

// The array, if it is one or the API's object around it.
std::expected<json::array, ListMistake> array_in(json::value value) {
    json::value* list = &value;
    if (value.is_object()) {
        json::object& object = value.get_object();
        list = object.if_contains("subscribers");
        if (list == nullptr || object.size() != 1) {
            return std::unexpected(
                ListMistake{.line = 0,
                            .what = "the object isn't one of \"subscribers\" and nothing else",
                            .remedy = R"(write {"subscribers":[...]}, or the array alone)"});
        }
    }
    if (!list->is_array()) {
        return std::unexpected(
            ListMistake{.line = 0, .what = "\"subscribers\" is no array", .remedy = "write [...]"});
    }
    return std::move(list->get_array());
}

std::expected<json::array, ListMistake> parse_array(std::string_view text) {
    json::parse_options options;
    options.max_depth = 4;  // as the API
    json::parser parser({}, options);
    boost::system::error_code error;
    const std::size_t at = parser.write(text.data(), text.size(), error);
    if (error) {
        const auto line = 1 + std::ranges::count(text.substr(0, at), '\n');
        return std::unexpected(
            ListMistake{.line = static_cast<std::size_t>(line),
                        .what = "this is not JSON: " + error.message(),
                        .remedy = "look at it with jq; a list as CSV begins with its header"});
    }
    return array_in(parser.release());
}

Subscribers read_json(std::string_view text, Mistakes& mistakes) {
    const auto array = parse_array(text);
    if (!array) {
        mistakes.push_back(array.error());
        return {};
    }
    Subscribers list;
    api::SubscriberRules rules("entry");
    std::size_t number = 0;
    for (const json::value& value : *array) {
        if (mistakes.size() == most_mistakes) {
            break;
        }
        number++;
        auto one = api::subscriber_in(value);
        const auto error = one ? rules.broken_by(*one, number) : std::optional(one.error());
        if (error) {
            mistakes.push_back({.line = 0,
                                .what = "entry " + api::entry_name(number, value) + ": " + error->what,
                                .remedy = error->remedy});
        } else {
            list.push_back(std::move(*one));
        }
    }
    return list;
}

}  // namespace

std::expected<Subscribers, Mistakes> parse_subscriber_list(std::string_view text) {
    constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
    text.remove_prefix(text.starts_with(byte_order_mark) ? byte_order_mark.size() : 0);
    const auto first = text.find_first_not_of(" \t\r\n");
    const bool is_json = first != std::string_view::npos && (text[first] == '[' || text[first] == '{');
    Mistakes mistakes;
    auto list = is_json ? read_json(text, mistakes) : read_csv(text, mistakes);
    if (!mistakes.empty()) {
        mistakes.resize(std::min(mistakes.size(), most_mistakes));
        return std::unexpected(std::move(mistakes));
    }
    return list;
}

}  // namespace sekisho::cli
