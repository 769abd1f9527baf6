// SPDX-License-Identifier: Apache-2.0
// Asio's compiled half for TLS; once in a program, like asio.cpp.
#include <boost/asio/ssl/impl/src.hpp>
