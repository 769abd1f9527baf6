// SPDX-License-Identifier: Apache-2.0
// Where the HTTP server listens: socket files and ports, free, taken and left behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <utility>

#include "agent/base/listener.h"
#include "tests/unit/api/wire.h"

namespace sekisho::api {
namespace {

using ::testing::HasSubstr;
using tests::Directory;
using tests::get;
using tests::Runner;
using tests::Wire;

boost::asio::awaitable<Response> say_who(const Request& request) {
    Response response;
    response.body = request.peer.text();
    co_return response;
}

class Listen : public ::testing::Test {
protected:
    Result<HttpServer> unix_server(const std::filesystem::path& path, mode_t mode = 0660) {
        return runner_.on_thread(
            [&] { return HttpServer::listen_unix(runner_.context().get_executor(), path, mode, say_who); });
    }
    Result<HttpServer> tcp_server(const char* address, std::uint16_t port) {
        return runner_.on_thread([&] {
            return HttpServer::listen_tcp(runner_.context().get_executor(), parse_address(address).value(),
                                          port, say_who);
        });
    }
    // Servers end on the thread they run on.
    void end(Result<HttpServer>& server) {
        runner_.on_thread([&server] { server = fail(Failure::not_found, "ended"); });
    }
    // Leaves a socket file that nobody listens on, as a killed process does.
    static void leave_stale(const std::filesystem::path& path) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.native().copy(address.sun_path, sizeof address.sun_path - 1);
        const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
        ASSERT_GE(socket, 0);
        ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        ::close(socket);
    }

    Directory directory_;
    Runner runner_;
};

TEST_F(Listen, TheSocketHasTheModeWhateverTheUmask) {
    for (const mode_t mask : {0U, 022U, 077U}) {
        const mode_t before = ::umask(mask);
        auto server = unix_server(directory_ / "s", 0660);
        ::umask(before);
        ASSERT_TRUE(server);
        struct stat status{};
        ASSERT_EQ(::stat((directory_ / "s").c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 07777U, 0660U);
        EXPECT_EQ(server->port(), 0);
        end(server);
        EXPECT_FALSE(std::filesystem::exists(directory_ / "s"));
    }
}

TEST_F(Listen, AStaleSocketIsReplaced) {
    leave_stale(directory_ / "s");
    auto server = unix_server(directory_ / "s");
    ASSERT_TRUE(server);
    EXPECT_EQ(Wire(directory_ / "s").ask(get("/")).value().body, "uid " + std::to_string(::getuid()));
    end(server);
}

TEST_F(Listen, ALiveSocketIsAConflictAndGoesOn) {
    auto first = unix_server(directory_ / "s");
    ASSERT_TRUE(first);
    const auto second = unix_server(directory_ / "s");
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, Failure::conflict);
    EXPECT_FALSE(second.error().remedy.empty());
    EXPECT_EQ(Wire(directory_ / "s").ask(get("/")).value().status(), 200);
    end(first);
}

TEST_F(Listen, AFileInTheWayIsLeftAlone) {
    std::ofstream(directory_ / "s") << "precious";
    const auto server = unix_server(directory_ / "s");
    ASSERT_FALSE(server);
    EXPECT_EQ(server.error().kind, Failure::conflict);
    EXPECT_EQ(std::filesystem::file_size(directory_ / "s"), 8U);
}

TEST_F(Listen, PathsThatCannotBe) {
    const auto nowhere = unix_server(directory_ / "no/s");
    ASSERT_FALSE(nowhere);
    EXPECT_EQ(nowhere.error().kind, Failure::unavailable);
    EXPECT_THAT(nowhere.error().remedy, HasSubstr("directory"));
    for (const auto& path : {std::string(), "/tmp/" + std::string(103, 'x')}) {
        const auto server = unix_server(path);
        ASSERT_FALSE(server);
        EXPECT_EQ(server.error().kind, Failure::invalid);
    }
}

TEST_F(Listen, StoppingLeavesAnothersSocket) {
    auto first = unix_server(directory_ / "s");
    ASSERT_TRUE(first);
    std::filesystem::remove(directory_ / "s");
    auto second = unix_server(directory_ / "s");
    ASSERT_TRUE(second);
    end(first);
    EXPECT_EQ(Wire(directory_ / "s").ask(get("/")).value().status(), 200);
    end(second);
}

TEST_F(Listen, StoppingEndsTheConnections) {
    auto server = unix_server(directory_ / "s");
    ASSERT_TRUE(server);
    Wire client(directory_ / "s");
    ASSERT_TRUE(client.ask(get("/")));
    runner_.on_thread([&server] {
        server->stop();
        server->stop();
    });
    EXPECT_TRUE(client.closes());
    EXPECT_THROW(Wire(directory_ / "s"), std::runtime_error);
    end(server);
}

TEST_F(Listen, AssigningStopsTheOldOne) {
    auto first = unix_server(directory_ / "a");
    auto second = unix_server(directory_ / "b");
    ASSERT_TRUE(first && second);
    runner_.on_thread([&] { *first = std::move(*second); });
    EXPECT_FALSE(std::filesystem::exists(directory_ / "a"));
    EXPECT_EQ(Wire(directory_ / "b").ask(get("/")).value().status(), 200);
    end(first);
    runner_.on_thread([&second] { auto gone = std::move(second); });
}

TEST_F(Listen, TcpOnBothFamiliesWithTheClientsAddress) {
    auto four = tcp_server("127.0.0.1", 0);
    ASSERT_TRUE(four);
    ASSERT_NE(four->port(), 0);
    EXPECT_THAT(Wire(Family::ipv4, four->port()).ask(get("/")).value().body, HasSubstr("127.0.0.1:"));
    // The same port: "::1" doesn't take IPv4's.
    auto six = tcp_server("::1", four->port());
    ASSERT_TRUE(six) << six.error().what;
    EXPECT_EQ(six->port(), four->port());
    EXPECT_THAT(Wire(Family::ipv6, six->port()).ask(get("/")).value().body, HasSubstr("[::1]:"));
    end(four);
    end(six);
}

TEST_F(Listen, APortThatIsTakenIsAConflict) {
    auto first = tcp_server("127.0.0.1", 0);
    ASSERT_TRUE(first);
    const auto second = tcp_server("127.0.0.1", first->port());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, Failure::conflict);
    EXPECT_THAT(second.error().what, HasSubstr("127.0.0.1:" + std::to_string(first->port())));
    end(first);
}

TEST_F(Listen, AnAddressOfNobodyHere) {
    const Address nobody = parse_address("192.0.2.1").value();
    const auto server = tcp_server("192.0.2.1", 0);
    EXPECT_TRUE(server) << "it may come later";
    EXPECT_FALSE(is_local(nobody));
    EXPECT_TRUE(is_local(parse_address("127.0.0.1").value()));
    EXPECT_TRUE(is_local(parse_address("::").value()));
}

TEST(PeerText, NamesEachKind) {
    EXPECT_EQ((Peer{parse_address("192.0.2.1").value(), 25, {}}).text(), "192.0.2.1:25");
    EXPECT_EQ((Peer{parse_address("2001:db8::1").value(), 25, {}}).text(), "[2001:db8::1]:25");
    EXPECT_EQ((Peer{{}, 0, 1000}).text(), "uid 1000");
    EXPECT_EQ(Peer{}.text(), "unknown");
}

TEST(RequestHeader, IsFoundInAnyCase) {
    Request request;
    request.headers = {{"X-API-Key", "one"}, {"x-api-key", "two"}};
    EXPECT_EQ(request.header("x-api-KEY"), "one");
    EXPECT_FALSE(request.header("x-api"));
}

}  // namespace
}  // namespace sekisho::api
