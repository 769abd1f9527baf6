// SPDX-License-Identifier: Apache-2.0
// For a unique_ptr to what a C library has made and takes back.
#pragma once

namespace sekisho::cli {

template <auto Free>
struct FreedBy {
    template <class T>
    void operator()(T* object) const {
        Free(object);
    }
};

}  // namespace sekisho::cli
