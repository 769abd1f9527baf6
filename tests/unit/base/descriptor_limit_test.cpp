// SPDX-License-Identifier: Apache-2.0
#include "agent/base/descriptor_limit.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace sekisho {
namespace {

TEST(DescriptorLimit, IsRaisedAsFarAsItMayBe) {
    rlimit was{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &was), 0);
    const rlimit low{.rlim_cur = 64, .rlim_max = was.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    EXPECT_EQ(descriptor_limit(), 64U);
    raise_descriptor_limit();
    EXPECT_EQ(descriptor_limit(), was.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &was);
}

}  // namespace
}  // namespace sekisho
