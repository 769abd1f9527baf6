// SPDX-License-Identifier: Apache-2.0
// Columns of text, aligned.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace sekisho::cli {

// Cells must be printable; widths are counted in code points.
class Table {
public:
    // A table without heads has no first line.
    explicit Table(std::vector<std::string> heads = {});

    void add(std::vector<std::string> row);
    [[nodiscard]] bool empty() const { return rows_.empty(); }
    void print(std::ostream& out) const;

private:
    std::vector<std::string> heads_;
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace sekisho::cli
