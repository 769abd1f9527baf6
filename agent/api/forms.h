// SPDX-License-Identifier: Apache-2.0
// The JSON form of each value of routes.h. Found by boost::json::value_from through argument-dependent
// lookup.
#pragma once

#include <boost/json/value_from.hpp>

#include "agent/api/routes.h"

namespace sekisho::api {

void tag_invoke(const boost::json::value_from_tag&, boost::json::value& to, const Version& from);
void tag_invoke(const boost::json::value_from_tag&, boost::json::value& to, const PoolStatus& from);
void tag_invoke(const boost::json::value_from_tag&, boost::json::value& to, const Count& from);
void tag_invoke(const boost::json::value_from_tag&, boost::json::value& to, const LoginCounts& from);
void tag_invoke(const boost::json::value_from_tag&, boost::json::value& to, const Status& from);
void tag_invoke(const boost::json::value_from_tag&, boost::json::value& to, const Check& from);
void tag_invoke(const boost::json::value_from_tag&, boost::json::value& to, const InterfaceStatus& from);
void tag_invoke(const boost::json::value_from_tag&, boost::json::value& to, const GrantStatus& from);
void tag_invoke(const boost::json::value_from_tag&, boost::json::value& to, const RefusedImport& from);
void tag_invoke(const boost::json::value_from_tag&, boost::json::value& to, const ImportOutcome& from);
void tag_invoke(const boost::json::value_from_tag&, boost::json::value& to, const CoolDownStatus& from);
void tag_invoke(const boost::json::value_from_tag&, boost::json::value& to, const ReporterStatus& from);
void tag_invoke(const boost::json::value_from_tag&, boost::json::value& to, const EventStatus& from);
void tag_invoke(const boost::json::value_from_tag&, boost::json::value& to, const EventPage& from);
void tag_invoke(const boost::json::value_from_tag&, boost::json::value& to, const BlockedStatus& from);
void tag_invoke(const boost::json::value_from_tag&, boost::json::value& to, const QuarantineStatus& from);
void tag_invoke(const boost::json::value_from_tag&, boost::json::value& to, const LockoutStatus& from);
void tag_invoke(const boost::json::value_from_tag&, boost::json::value& to, const ExemptionStatus& from);
void tag_invoke(const boost::json::value_from_tag&, boost::json::value& to, const LoginOutcome& from);
void tag_invoke(const boost::json::value_from_tag&, boost::json::value& to, const SubscriberStatus& from);
void tag_invoke(const boost::json::value_from_tag&, boost::json::value& to, const SubscriberPage& from);
void tag_invoke(const boost::json::value_from_tag&, boost::json::value& to, const SubscriberImport& from);
void tag_invoke(const boost::json::value_from_tag&, boost::json::value& to, const Step& from);
void tag_invoke(const boost::json::value_from_tag&, boost::json::value& to, const Why& from);

}  // namespace sekisho::api
