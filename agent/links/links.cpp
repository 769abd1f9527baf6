// SPDX-License-Identifier: Apache-2.0
// libnl-route, read when the socket is ready.
#include "agent/links/links.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/cache.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/socket.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstring>
#include <map>
#include <set>
#include <utility>

namespace sekisho::links {

namespace {

struct SocketFree {
    void operator()(nl_sock* socket) const { nl_socket_free(socket); }
};
using Socket = std::unique_ptr<nl_sock, SocketFree>;

// Room for a burst of thousands of interfaces (a BNG's sessions after an outage).
constexpr int receive_buffer = 4 << 20;

std::unexpected<Error> netlink_error(const std::string& what, int error) {
    return fail(Failure::unavailable, what + ": " + nl_geterror(error));
}

// A tunnel has a device beneath it, too, but its packets are something else there; and a veth's is its other
// end.
unsigned beneath(rtnl_link* link, const std::string& kind) {
    std::int32_t elsewhere = 0;
    if ((kind != "vlan" && kind != "macvlan" && kind != "ipvlan") ||
        rtnl_link_get_link_netnsid(link, &elsewhere) == 0) {
        return 0;
    }
    return static_cast<unsigned>(rtnl_link_get_link(link));
}

Link describe(rtnl_link* link) {
    Link result;
    result.index = static_cast<unsigned>(rtnl_link_get_ifindex(link));
    const char* name = rtnl_link_get_name(link);
    result.name = name != nullptr ? name : "";
    const char* kind = rtnl_link_get_type(link);
    result.kind = kind != nullptr ? kind : "";
    const char* port_of = rtnl_link_get_slave_type(link);
    result.port_of = port_of != nullptr ? port_of : "";
    result.on = beneath(link, result.kind);
    result.hardware = static_cast<std::uint16_t>(rtnl_link_get_arptype(link));
    const nl_addr* address = rtnl_link_get_addr(link);
    if (address != nullptr && nl_addr_get_len(address) == result.mac.size()) {
        std::memcpy(result.mac.data(), nl_addr_get_binary_addr(address), result.mac.size());
    }
    return result;
}

class NetlinkWatcher final : public Watcher {
public:
    NetlinkWatcher(const boost::asio::any_io_executor& executor, Appeared appeared, Gone gone)
        : appeared_(std::move(appeared)), gone_(std::move(gone)), ready_(executor) {}

    ~NetlinkWatcher() override {
        // The descriptor is the socket's; Asio must not close it.
        if (ready_.is_open()) {
            ready_.release();
        }
    }

    Result<void> begin() {
        events_.reset(nl_socket_alloc());
        if (!events_) {
            return fail(Failure::unavailable, "no memory for a netlink socket");
        }
        nl_socket_disable_seq_check(events_.get());
        nl_socket_modify_cb(events_.get(), NL_CB_VALID, NL_CB_CUSTOM, &on_message, this);
        int failed = nl_connect(events_.get(), NETLINK_ROUTE);
        failed = failed != 0 ? failed : nl_socket_set_buffer_size(events_.get(), receive_buffer, 0);
        failed = failed != 0 ? failed : nl_socket_set_nonblocking(events_.get());
        failed = failed != 0 ? failed : nl_socket_add_membership(events_.get(), RTNLGRP_LINK);
        if (failed != 0) {
            return netlink_error("can't watch the interfaces", failed);
        }
        ready_.assign(nl_socket_get_fd(events_.get()));
        // Subscribed first, read after: nothing that changes in between is missed.
        if (auto read = read_all(); !read) {
            return read;
        }
        wait();
        return {};
    }

private:
    // Everything that is there now; what we knew and isn't there is gone.
    Result<void> read_all() {
        const Socket socket(nl_socket_alloc());
        if (!socket) {
            return fail(Failure::unavailable, "no memory for a netlink socket");
        }
        if (const int failed = nl_connect(socket.get(), NETLINK_ROUTE); failed != 0) {
            return netlink_error("can't ask for the interfaces", failed);
        }
        nl_cache* cache = nullptr;
        if (const int failed = rtnl_link_alloc_cache(socket.get(), AF_UNSPEC, &cache); failed != 0) {
            return netlink_error("can't read the interfaces", failed);
        }
        std::set<unsigned> seen;
        for (nl_object* object = nl_cache_get_first(cache); object != nullptr;
             object = nl_cache_get_next(object)) {
            const Link link = describe(reinterpret_cast<rtnl_link*>(object));
            seen.insert(link.index);
            appear(link);
        }
        nl_cache_free(cache);
        const auto known = known_;
        for (const auto& [index, link] : known) {
            if (!seen.contains(index)) {
                vanish(index);
            }
        }
        return {};
    }

    void wait() {
        ready_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                          [this](const boost::system::error_code& error) {
                              if (error) {
                                  return;
                              }
                              receive();
                              wait();
                          });
    }

    void receive() {
        const int failed = nl_recvmsgs_default(events_.get());
        if (failed == -NLE_NOMEM) {  // ENOBUFS: messages were lost
            // If reading fails as well, the next message or the next loss tries again.
            (void)read_all();
        }
    }

    static int on_message(nl_msg* message, void* self) {
        // A bridge reports its ports as objects of its own family, too, and their removal from it as a
        // deletion. libnl's word for the family won't do: it says the same of the bridge itself.
        const nlmsghdr* header = nlmsg_hdr(message);
        if (nlmsg_valid_hdr(header, sizeof(ifinfomsg)) == 0 ||
            static_cast<const ifinfomsg*>(nlmsg_data(header))->ifi_family != AF_UNSPEC) {
            return NL_OK;
        }
        nl_msg_parse(message, &on_object, self);
        return NL_OK;
    }

    static void on_object(nl_object* object, void* self) {
        auto* watcher = static_cast<NetlinkWatcher*>(self);
        const int type = nl_object_get_msgtype(object);
        if (type != RTM_NEWLINK && type != RTM_DELLINK) {
            return;
        }
        auto* link = reinterpret_cast<rtnl_link*>(object);
        if (type == RTM_DELLINK) {
            watcher->vanish(static_cast<unsigned>(rtnl_link_get_ifindex(link)));
        } else {
            Link described = describe(link);
            described.came = true;
            watcher->appear(described);
        }
    }

    void appear(const Link& link) {
        const auto known = known_.find(link.index);
        if (known != known_.end() && known->second == link) {
            return;
        }
        known_[link.index] = link;
        appeared_(link);
    }

    void vanish(unsigned index) {
        const auto known = known_.find(index);
        if (known == known_.end()) {
            return;
        }
        const Link link = known->second;
        known_.erase(known);
        gone_(link);
    }

    Appeared appeared_;
    Gone gone_;
    Socket events_;
    boost::asio::posix::stream_descriptor ready_;
    std::map<unsigned, Link> known_;
};

}  // namespace

std::optional<Traffic> traffic_of(unsigned index) {
    const Socket socket(nl_socket_alloc());
    rtnl_link* link = nullptr;
    if (!socket || nl_connect(socket.get(), NETLINK_ROUTE) != 0 ||
        rtnl_link_get_kernel(socket.get(), static_cast<int>(index), nullptr, &link) != 0) {
        return std::nullopt;
    }
    const Traffic traffic{.up = (rtnl_link_get_flags(link) & IFF_UP) != 0,
                          .received = rtnl_link_get_stat(link, RTNL_LINK_RX_PACKETS)};
    rtnl_link_put(link);
    return traffic;
}

Result<std::unique_ptr<Watcher>> Watcher::start(const boost::asio::any_io_executor& executor,
                                                Appeared appeared, Gone gone) {
    auto watcher = std::make_unique<NetlinkWatcher>(executor, std::move(appeared), std::move(gone));
    if (auto begun = watcher->begin(); !begun) {
        return std::unexpected(begun.error());
    }
    return watcher;
}

}  // namespace sekisho::links
