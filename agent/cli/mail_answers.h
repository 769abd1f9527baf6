// SPDX-License-Identifier: Apache-2.0
// The answers of sekisho-auth, sekisho-relay and sekisho-smtpd, printed for people, as answers.h does the
// agent's.
#pragma once

#include <boost/json/object.hpp>
#include <iosfwd>
#include <string>

namespace sekisho::cli {

void print_users(const boost::json::object& answer, std::ostream& out);
// Of `user usage`, without and with a name, and of `user stop`.
void print_senders(const boost::json::object& answer, std::ostream& out);
void print_sender(const boost::json::object& answer, std::ostream& out);
void print_stop(const std::string& user, const boost::json::object& answer, std::ostream& out);
// Of `queue list`: a line for each recipient who waits.
void print_queue(const boost::json::object& answer, std::ostream& out);
// Of `queue show`.
void print_message(const boost::json::object& answer, std::ostream& out);
void print_why_relay(const boost::json::object& answer, std::ostream& out);

}  // namespace sekisho::cli
