// SPDX-License-Identifier: Apache-2.0
// Values as JSON.
#include "agent/api/forms.h"

#include <boost/json.hpp>
#include <string>
#include <vector>

#include "agent/base/printable.h"
#include "agent/base/time_text.h"

namespace sekisho::api {

namespace json = boost::json;

namespace {

json::array texts_of(const std::vector<Prefix>& prefixes) {
    json::array texts;
    texts.reserve(prefixes.size());
    for (const Prefix& prefix : prefixes) {
        texts.emplace_back(prefix.text());
    }
    return texts;
}

// RADIUS has octets where JSON has UTF-8: what isn't that is written out.
std::string utf8_of(const std::string& octets) {
    return is_utf8(octets) ? octets : printable(octets);
}

json::array utf8_of(const std::vector<std::string>& list) {
    json::array texts;
    texts.reserve(list.size());
    for (const std::string& each : list) {
        texts.emplace_back(utf8_of(each));
    }
    return texts;
}

}  // namespace

void tag_invoke(const json::value_from_tag&, json::value& to, const Version& from) {
    to = {{"version", from.version}, {"abi", from.abi}};
}

void tag_invoke(const json::value_from_tag&, json::value& to, const PoolStatus& from) {
    to = {{"name", from.name}, {"action", from.action}, {"prefixes", texts_of(from.prefixes)}};
}

void tag_invoke(const json::value_from_tag&, json::value& to, const Count& from) {
    to = {
        {"reason", from.reason}, {"verdict", from.verdict}, {"packets", from.packets}, {"bytes", from.bytes}};
}

void tag_invoke(const json::value_from_tag&, json::value& to, const LoginCounts& from) {
    to = {{"name", from.name},
          {"granted", from.granted},
          {"refused", from.refused},
          {"rejected", from.rejected}};
}

void tag_invoke(const json::value_from_tag&, json::value& to, const Status& from) {
    to = {{"state", from.state},
          {"since", rfc3339(from.since)},
          {"uptime_seconds", from.uptime.count()},
          {"pid", from.pid},
          {"interfaces", from.interfaces},
          {"grants", from.grants},
          {"exemptions", from.exemptions},
          {"cool_downs", from.cool_downs},
          {"quarantines", from.quarantines},
          {"flows", from.flows},
          {"overruns", from.overruns},
          {"foreign_prefixes", from.foreign_prefixes},
          {"pools", json::value_from(from.pools)},
          {"counts", json::value_from(from.counts)},
          {"logins", json::value_from(from.logins)}};
}

void tag_invoke(const json::value_from_tag&, json::value& to, const Check& from) {
    to = {{"name", from.name}, {"ok", from.ok}, {"detail", from.detail}, {"remedy", from.remedy}};
}

void tag_invoke(const json::value_from_tag&, json::value& to, const InterfaceStatus& from) {
    to = {{"name", from.name},
          {"index", from.index},
          {"side", from.side},
          {"driver", from.driver},
          {"mode", from.mode},
          {"why", from.why},
          {"program", from.program},
          {"fast_path", from.fast_path},
          {"attached", from.attached},
          {"closed", from.closed},
          {"unjudged_packets",
           from.unjudged_packets ? json::value(*from.unjudged_packets) : json::value(nullptr)},
          {"unjudged_microseconds",
           from.unjudged_time ? json::value(from.unjudged_time->count()) : json::value(nullptr)},
          {"counts", from.counts ? json::value_from(*from.counts) : json::value(nullptr)}};
}

void tag_invoke(const json::value_from_tag&, json::value& to, const GrantStatus& from) {
    to = {{"key", from.key.text()},
          {"pool", from.pool},
          {"source", from.source},
          {"user", from.user},
          {"reason", from.reason},
          {"since", rfc3339(from.since)},
          {"expires", rfc3339(from.expires)},
          {"seconds_left", from.left.count()},
          {"scope", to_string(from.scope)},
          {"edge_until", from.edge_until ? json::value(rfc3339(*from.edge_until)) : json::value(nullptr)},
          {"relay_until", from.relay_until ? json::value(rfc3339(*from.relay_until)) : json::value(nullptr)},
          {"budget", from.budget},
          {"session", from.session == 0 ? json::value(nullptr) : json::value(from.session)}};
    if (from.flows) {
        to.as_object()["connections_left"] =
            from.connections_left ? json::value(*from.connections_left) : json::value(nullptr);
        to.as_object()["flows"] = *from.flows;
    }
}

void tag_invoke(const json::value_from_tag&, json::value& to, const CoolDownStatus& from) {
    to = {
        {"key", from.key.text()},       {"cause", from.cause},          {"user", from.user},
        {"since", rfc3339(from.since)}, {"until", rfc3339(from.until)}, {"seconds_left", from.left.count()}};
}

void tag_invoke(const json::value_from_tag&, json::value& to, const ReporterStatus& from) {
    to = {{"name", from.name},
          {"kind", from.kind},
          {"where", from.where},
          {"granted", from.granted},
          {"refused", from.refused},
          {"rejected", from.rejected},
          {"lines", from.lines ? json::value(*from.lines) : json::value(nullptr)},
          {"trouble", from.trouble}};
}

void tag_invoke(const json::value_from_tag&, json::value& to, const EventStatus& from) {
    to = {{"id", from.id},
          {"when", rfc3339(from.when)},
          {"name", from.name},
          {"text", from.text},
          {"key", from.key ? json::value(from.key->text()) : json::value(nullptr)},
          {"user", from.user},
          {"reporter", from.reporter},
          {"protocol", from.protocol},
          {"rule", from.rule},
          {"session", from.session == 0 ? json::value(nullptr) : json::value(from.session)},
          {"by", from.by},
          {"seconds", from.lasts.count()}};
}

void tag_invoke(const json::value_from_tag&, json::value& to, const EventPage& from) {
    to = {{"events", json::value_from(from.events)},
          {"last", from.last},
          {"before", from.before == 0 ? json::value(nullptr) : json::value(from.before)}};
}

void tag_invoke(const json::value_from_tag&, json::value& to, const BlockedStatus& from) {
    to = {{"key", from.key.text()},
          {"pool", from.pool},
          {"packets", from.packets},
          {"per_second", from.per_second},
          {"first", rfc3339(from.first)},
          {"last", rfc3339(from.last)},
          {"destinations", from.destinations},
          {"quarantined", from.quarantined}};
}

void tag_invoke(const json::value_from_tag&, json::value& to, const RefusedImport& from) {
    to = {{"address", from.address.text()}, {"why", from.why}};
}

void tag_invoke(const json::value_from_tag&, json::value& to, const ImportOutcome& from) {
    to = {{"opened", from.opened}, {"kept", from.kept}, {"refused", json::value_from(from.refused)}};
}

void tag_invoke(const json::value_from_tag&, json::value& to, const QuarantineStatus& from) {
    to = {{"key", from.key.text()}, {"note", from.note}, {"since", rfc3339(from.since)}};
}

void tag_invoke(const json::value_from_tag&, json::value& to, const LockoutStatus& from) {
    to = {{"kind", from.kind},
          {"who", utf8_of(from.who)},
          {"tries", from.tries},
          {"held", from.held},
          {"since", rfc3339(from.since)},
          {"until", rfc3339(from.until)},
          {"seconds_left", from.left.count()}};
}

void tag_invoke(const json::value_from_tag&, json::value& to, const ExemptionStatus& from) {
    to = {{"prefix", from.prefix.text()}, {"note", from.note}, {"since", rfc3339(from.since)}};
}

void tag_invoke(const json::value_from_tag&, json::value& to, const LoginOutcome& from) {
    if (from.granted) {
        to = {{"granted", true}, {"key", from.key.text()}, {"expires", rfc3339(from.expires)}};
    } else {
        to = {{"granted", false}, {"reason", from.reason}};
        if (from.locked) {
            to.get_object()["locked"] = true;
        }
    }
}

void tag_invoke(const json::value_from_tag&, json::value& to, const SubscriberStatus& from) {
    to = {{"id", from.id},
          {"nas", utf8_of(from.nas)},
          {"session", utf8_of(from.session)},
          {"user", utf8_of(from.user)},
          {"calling_station", utf8_of(from.calling_station)},
          {"classes", utf8_of(from.classes)},
          {"filters", utf8_of(from.filters)},
          {"prefixes", texts_of(from.prefixes)},
          {"since", rfc3339(from.since)},
          {"last_heard", rfc3339(from.last_heard)},
          {"interim_seconds",
           from.interim_interval ? json::value(from.interim_interval->count()) : json::value(nullptr)},
          {"contract", from.contract}};
}

void tag_invoke(const json::value_from_tag&, json::value& to, const SubscriberPage& from) {
    to = {{"subscribers", json::value_from(from.subscribers)}, {"in_all", from.in_all}, {"next", from.next}};
}

void tag_invoke(const json::value_from_tag&, json::value& to, const SubscriberImport& from) {
    to = {{"began", from.began}, {"ended", from.ended}, {"kept", from.kept}, {"revoked", from.revoked}};
}

void tag_invoke(const json::value_from_tag&, json::value& to, const Step& from) {
    to = {{"rule", from.rule}, {"matched", from.matched}, {"detail", from.detail}};
}

void tag_invoke(const json::value_from_tag&, json::value& to, const Why& from) {
    to = {{"address", from.address.text()},
          {"destination", from.destination ? json::value(from.destination->text()) : json::value(nullptr)},
          {"verdict", from.verdict},
          {"reason", from.reason},
          {"steps", json::value_from(from.steps)}};
}

}  // namespace sekisho::api
