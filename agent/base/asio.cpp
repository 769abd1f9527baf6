// SPDX-License-Identifier: Apache-2.0
// The compiled half of Boost.Asio (BOOST_ASIO_SEPARATE_COMPILATION), once for all programs.
#include <boost/asio/impl/src.hpp>
