// SPDX-License-Identifier: Apache-2.0
// Lists that the agent gives page by page: it looks for a short while only, so that no login has to wait.
#pragma once

#include <cstddef>
#include <string>

#include "agent/api/client.h"
#include "agent/base/result.h"
#include "agent/cli/ask.h"

namespace sekisho::cli {

struct List {
    std::string path;        // "/v1/grants"
    std::string filters;     // "&user=anna"
    std::string name;        // of the array in the answer
    std::string cursor;      // the answer's member that says where to ask on; null or 0 behind the last page
    std::string parameter;   // by which that is asked
    std::string begin;       // where to begin; empty: at the beginning
    std::size_t count = 0;   // how many are wanted
    bool backwards = false;  // the next page belongs before this one
};

// Asks until there are as many as are wanted, or no more. The answer is that of the first page, with what
// stood in all pages and the last one's cursor.
[[nodiscard]] Result<Reply> ask_list(const api::Client& client, const List& list);

}  // namespace sekisho::cli
