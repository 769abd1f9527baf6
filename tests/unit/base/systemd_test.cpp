// SPDX-License-Identifier: Apache-2.0
// What systemd is told, read from a notify socket of our own.
#include "agent/base/systemd.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/unit/directory.h"

namespace sekisho::systemd {
namespace {

class Notify : public ::testing::Test {
protected:
    Notify() {
        const std::string path = directory_ / "notify";
        socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::ranges::copy(path, std::begin(address.sun_path));
        EXPECT_TRUE(socket_ >= 0 &&
                    ::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
        ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    }
    ~Notify() override {
        for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) {
            ::unsetenv(name);
        }
        ::close(socket_);
    }
    std::string said() {
        std::array<char, 512> buffer{};
        const ssize_t got = ::recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
        return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
    }
    tests::Directory directory_;
    int socket_ = -1;
};

TEST_F(Notify, SaysWhatHappens) {
    ready();
    EXPECT_EQ(said(), "READY=1");
    alive();
    EXPECT_EQ(said(), "WATCHDOG=1");
    stopping();
    EXPECT_EQ(said(), "STOPPING=1");
    status("enforcing on 3 interfaces");
    EXPECT_EQ(said(), "STATUS=enforcing on 3 interfaces");
}

TEST_F(Notify, AStatusIsOneLine) {
    status("x\nMAINPID=1");
    EXPECT_EQ(said(), "STATUS=x\\x0aMAINPID=1");
}

TEST_F(Notify, TheWatchdogWantsHalfOfItsTime) {
    EXPECT_FALSE(watchdog_interval());
    ::setenv("WATCHDOG_USEC", "3000000", 1);
    EXPECT_EQ(watchdog_interval(), std::chrono::microseconds(1'500'000));
    ::setenv("WATCHDOG_PID", "1", 1);
    EXPECT_FALSE(watchdog_interval()) << "meant for another process";
}

TEST(NoSystemd, NothingHappens) {
    ::unsetenv("NOTIFY_SOCKET");
    ready();
    status("x");
    alive();
    stopping();
    EXPECT_FALSE(watchdog_interval());
}

}  // namespace
}  // namespace sekisho::systemd
