// SPDX-License-Identifier: Apache-2.0
// A kernel that refuses a program is told of, whenever it is asked.
#include "agent/dataplane/programs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

namespace sekisho::dataplane {
namespace {

using testing::HasSubstr;

InterfaceConfig attached_by(Attach attach) {
    InterfaceConfig config;
    config.name = "ppp*";
    config.attach = attach;
    return config;
}

TEST(Programs, ARefusalSaysWhatAndWhatToDo) {
    int asked = 0;
    Programs programs([&asked](bpf_object*) {
        asked++;
        return -ENOMEM;
    });
    const InterfaceConfig config = attached_by(Attach::automatic);
    for (const auto& refused :
         {programs.xdp(config), programs.tc(config, false), programs.tc(config, true)}) {
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().kind, Failure::unavailable);
        EXPECT_THAT(refused.error().what, HasSubstr("Cannot allocate memory"));
        EXPECT_THAT(refused.error().remedy, HasSubstr("free memory"));
    }
    const auto ahead = programs.load_ahead({config});
    ASSERT_FALSE(ahead);
    EXPECT_THAT(ahead.error().what, HasSubstr("Cannot allocate memory"));
    EXPECT_EQ(asked, 4) << "what was refused once may be taken later";
}

TEST(Programs, AheadAreThoseThatXdpCantReplace) {
    Programs programs([](bpf_object*) { return -ENOMEM; });
    for (const Attach attach : {Attach::xdp, Attach::xdp_generic}) {
        EXPECT_EQ(programs.load_ahead({attached_by(attach)}).value(), false);
    }
    for (const Attach attach : {Attach::automatic, Attach::tc, Attach::clsact}) {
        EXPECT_FALSE(programs.load_ahead({attached_by(attach)}));
    }
    EXPECT_EQ(programs.load_ahead({}).value(), false);
}

}  // namespace
}  // namespace sekisho::dataplane
