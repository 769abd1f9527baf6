// SPDX-License-Identifier: Apache-2.0
// What Stalwart's webhook sends, as its serializers write it: what an event says itself, and what was said
// when its connection began.
#pragma once

#include <string>
#include <string_view>

namespace sekisho::logins {

// One event of 0.16; `data` are its members.
inline std::string stalwart_event(std::string_view type, std::string_view data,
                                  std::string_view created = "2026-08-21T17:29:02Z",
                                  std::string_view id = "1787333342137") {
    return R"({"id":")" + std::string(id) + R"(","createdAt":")" + std::string(created) + R"(","type":")" +
           std::string(type) + R"(","data":{)" + std::string(data) + "}}";
}

inline std::string stalwart_body(std::string_view events) {
    return R"({"events":[)" + std::string(events) + "]}";
}

// Members of a login by IMAP, 0.11.7 to 0.16.
constexpr std::string_view stalwart_imap =
    R"("accountName":"alice@example.net","accountId":5,"spanId":345678901234567890,"listenerId":"imaps",)"
    R"("localPort":993,"remoteIp":"192.0.2.10","remotePort":50123)";

// A whole delivery of 0.9.1 to 0.10: the connection comes first, and the id is that of all logins of a
// second.
constexpr std::string_view stalwart_0_10 =
    R"({"events":[{"id":"172414847237","createdAt":"2024-08-20T10:07:52Z","type":"auth.success","data":{)"
    R"("listenerId":"pop3s","localPort":995,"remoteIp":"2001:db8:100::10","remotePort":40000,)"
    R"("accountName":"alice","accountId":5,"type":"individual"}}]})";

// Of 0.8.3, whose events are other ones.
constexpr std::string_view stalwart_0_8 =
    R"({"events":[{"id":186722318417530880,"createdAt":"2024-06-21T14:55:00.123456789Z","type":"auth.success",)"
    R"("data":{"login":"alice","protocol":"ManageSieve","remoteIp":"192.0.2.10","accountType":"individual"}}]})";

// A password that was wrong, in 0.16 and in 0.8.
constexpr std::string_view stalwart_failures =
    R"({"events":[{"id":"1787333342035","createdAt":"2026-08-21T17:29:02Z","type":"auth.failed","data":{)"
    R"("accountName":"alice@example.net","accountId":5,"spanId":345678901234567890,"reason":"Authentication )"
    R"(failed","remoteIp":"192.0.2.10","listenerId":"imaps","localPort":993,"remotePort":50123}},)"
    R"({"id":186722318417530881,"createdAt":"2024-06-21T14:55:00.5Z","type":"auth.failure","data":{)"
    R"("login":"alice","protocol":"Imap","remoteIp":"192.0.2.10"}}]})";

}  // namespace sekisho::logins
