// SPDX-License-Identifier: Apache-2.0
// Segments in tunnels, and the answers that go back through them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/bpf/packet.h"

namespace sekisho::bpftest {

// The tunnels' other ends, and who is inside.
inline constexpr auto far6 = "2001:db8:ffff::a";
inline constexpr auto far4 = "203.0.113.250";
inline constexpr auto private4 = "10.0.0.2";
inline constexpr auto home6 = "2001:db8:77::7";

// How a segment is wrapped.
struct Way {
    std::string name;
    bool four_in_six;
    std::size_t tags = 0;
    std::size_t ppp = 0;
    bool limit = false;  // the option by which Linux limits tunnels in tunnels
    std::size_t tcp_options = 0;
    std::size_t payload = 0;
    std::size_t padding = 0;
};

[[nodiscard]] const std::vector<Way>& ways();

// A subscriber's SYN to port 25 of the mail exchanger, wrapped by who has these two addresses.
[[nodiscard]] Bytes question_through(const Way& way, std::string_view line4, std::string_view line6);
// The reset that refuses it, where reset4 or reset6 has asked.
[[nodiscard]] Bytes reset_through(const Way& way);
// The ICMP message that refuses it, where prohibit4 or prohibit6 has asked.
[[nodiscard]] Bytes prohibition_through(const Way& way);

}  // namespace sekisho::bpftest
