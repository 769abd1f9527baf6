// SPDX-License-Identifier: Apache-2.0
// What Dovecot 2.3.19 sent to a policy server, recorded: each way of logging in under each setting of
// auth_policy_check_before_auth, _check_after_auth and _report_after_auth. Request attributes
// `login=%{requested_username} pwhash=%{hashed_password} remote=%{rip} device_id=%{client_id} protocol=%s
// session=%{session} mech=%m authed=%{passdb:sekisho}`, with `override_fields = sekisho=ok` in the passdb.
#pragma once

#include <string_view>
#include <vector>

namespace sekisho::logins {

struct Recorded {
    std::string_view settings;  // before, after, report
    std::string_view attempt;
    bool right;  // the password was, and the client was let in
    struct Message {
        std::string_view query;
        std::string_view body;
    };
    std::vector<Message> messages;
};

// clang-format off
inline const std::vector<Recorded> recorded = {
    {"0 1 1", "pop3 stls user/pass right", true, {
        {"command=allow", R"({"authed":"ok","device_id":"","login":"alice","mech":"PLAIN","protocol":"pop3","pwhash":"05b4","remote":"192.0.2.10","session":"NWaH8PtgeJPAAAIK","tls":true})"},
        {"command=report", R"({"authed":"ok","device_id":"","login":"alice","mech":"PLAIN","protocol":"pop3","pwhash":"05b4","remote":"192.0.2.10","session":"NWaH8PtgeJPAAAIK","success":true,"policy_reject":false,"tls":true})"},
    }},
    {"0 1 1", "pop3 apop right", true, {
        {"command=allow", R"({"authed":"ok","device_id":"","login":"alice","mech":"APOP","protocol":"pop3","pwhash":"0c7a","remote":"192.0.2.10","session":"zY6M8PtggpPAAAIK","tls":false})"},
        {"command=report", R"({"authed":"ok","device_id":"","login":"alice","mech":"APOP","protocol":"pop3","pwhash":"0c7a","remote":"192.0.2.10","session":"zY6M8PtggpPAAAIK","success":true,"policy_reject":false,"tls":false})"},
    }},
    {"0 1 1", "imap starttls login right", true, {
        {"command=allow", R"({"authed":"ok","device_id":"","login":"alice","mech":"PLAIN","protocol":"imap","pwhash":"05b4","remote":"2001:db8:100:a00::10","session":"Co+R8Ptg3LsgAQ24AQAKAAAAAAAAAAAQ","tls":true})"},
        {"command=report", R"({"authed":"ok","device_id":"","login":"alice","mech":"PLAIN","protocol":"imap","pwhash":"05b4","remote":"2001:db8:100:a00::10","session":"Co+R8Ptg3LsgAQ24AQAKAAAAAAAAAAAQ","success":true,"policy_reject":false,"tls":true})"},
    }},
    {"0 1 1", "pop3 stls user/pass wrong", false, {
        {"command=report", R"({"authed":"","device_id":"","login":"alice","mech":"PLAIN","protocol":"pop3","pwhash":"099a","remote":"192.0.2.10","session":"lKKW8PtgkJPAAAIK","success":false,"policy_reject":false,"tls":true})"},
    }},
    {"0 1 1", "pop3 apop wrong", false, {
        {"command=report", R"({"authed":"ok","device_id":"","login":"alice","mech":"APOP","protocol":"pop3","pwhash":"0c7a","remote":"192.0.2.10","session":"9Bmj8PtgmJPAAAIK","success":false,"policy_reject":false,"tls":false})"},
    }},
    {"0 1 1", "imap starttls login wrong", false, {
        {"command=report", R"({"authed":"","device_id":"","login":"alice","mech":"PLAIN","protocol":"imap","pwhash":"099a","remote":"2001:db8:100:a00::10","session":"kLmq8Ptg4LsgAQ24AQAKAAAAAAAAAAAQ","success":false,"policy_reject":false,"tls":true})"},
    }},
    {"0 1 1", "pop3 unknown user", false, {
        {"command=report", R"({"authed":"","device_id":"","login":"nobody","mech":"PLAIN","protocol":"pop3","pwhash":"084e","remote":"192.0.2.10","session":"92Wy8PtgpJPAAAIK","success":false,"policy_reject":false,"tls":true})"},
    }},
    {"1 0 1", "pop3 stls user/pass right", true, {
        {"command=allow", R"({"authed":"","device_id":"","login":"alice","mech":"PLAIN","protocol":"pop3","pwhash":"0a16","remote":"192.0.2.10","session":"I+PN8PtgqpPAAAIK","tls":true})"},
        {"command=report", R"({"authed":"ok","device_id":"","login":"alice","mech":"PLAIN","protocol":"pop3","pwhash":"0a16","remote":"192.0.2.10","session":"I+PN8PtgqpPAAAIK","success":true,"policy_reject":false,"tls":true})"},
    }},
    {"1 0 1", "pop3 apop right", true, {
        {"command=allow", R"({"authed":"","device_id":"","login":"alice","mech":"APOP","protocol":"pop3","pwhash":"0a6a","remote":"192.0.2.10","session":"/UjT8PtgrJPAAAIK","tls":false})"},
        {"command=report", R"({"authed":"ok","device_id":"","login":"alice","mech":"APOP","protocol":"pop3","pwhash":"0a6a","remote":"192.0.2.10","session":"/UjT8PtgrJPAAAIK","success":true,"policy_reject":false,"tls":false})"},
    }},
    {"1 0 1", "imap starttls login right", true, {
        {"command=allow", R"({"authed":"","device_id":"","login":"alice","mech":"PLAIN","protocol":"imap","pwhash":"0a16","remote":"2001:db8:100:a00::10","session":"aGvY8Ptg8LsgAQ24AQAKAAAAAAAAAAAQ","tls":true})"},
        {"command=report", R"({"authed":"ok","device_id":"","login":"alice","mech":"PLAIN","protocol":"imap","pwhash":"0a16","remote":"2001:db8:100:a00::10","session":"aGvY8Ptg8LsgAQ24AQAKAAAAAAAAAAAQ","success":true,"policy_reject":false,"tls":true})"},
    }},
    {"1 0 1", "pop3 stls user/pass wrong", false, {
        {"command=allow", R"({"authed":"","device_id":"","login":"alice","mech":"PLAIN","protocol":"pop3","pwhash":"019f","remote":"192.0.2.10","session":"DmXd8PtgsJPAAAIK","tls":true})"},
        {"command=report", R"({"authed":"","device_id":"","login":"alice","mech":"PLAIN","protocol":"pop3","pwhash":"019f","remote":"192.0.2.10","session":"DmXd8PtgsJPAAAIK","success":false,"policy_reject":false,"tls":true})"},
    }},
    {"1 0 1", "pop3 apop wrong", false, {
        {"command=allow", R"({"authed":"","device_id":"","login":"alice","mech":"APOP","protocol":"pop3","pwhash":"0a6a","remote":"192.0.2.10","session":"feLp8PtgtJPAAAIK","tls":false})"},
        {"command=report", R"({"authed":"ok","device_id":"","login":"alice","mech":"APOP","protocol":"pop3","pwhash":"0a6a","remote":"192.0.2.10","session":"feLp8PtgtJPAAAIK","success":false,"policy_reject":false,"tls":false})"},
    }},
    {"1 0 1", "imap starttls login wrong", false, {
        {"command=allow", R"({"authed":"","device_id":"","login":"alice","mech":"PLAIN","protocol":"imap","pwhash":"019f","remote":"2001:db8:100:a00::10","session":"aa7y8Ptg+rsgAQ24AQAKAAAAAAAAAAAQ","tls":true})"},
        {"command=report", R"({"authed":"","device_id":"","login":"alice","mech":"PLAIN","protocol":"imap","pwhash":"019f","remote":"2001:db8:100:a00::10","session":"aa7y8Ptg+rsgAQ24AQAKAAAAAAAAAAAQ","success":false,"policy_reject":false,"tls":true})"},
    }},
    {"1 0 1", "pop3 unknown user", false, {
        {"command=allow", R"({"authed":"","device_id":"","login":"nobody","mech":"PLAIN","protocol":"pop3","pwhash":"0a07","remote":"192.0.2.10","session":"fdH58PtgBprAAAIK","tls":true})"},
        {"command=report", R"({"authed":"","device_id":"","login":"nobody","mech":"PLAIN","protocol":"pop3","pwhash":"0a07","remote":"192.0.2.10","session":"fdH58PtgBprAAAIK","success":false,"policy_reject":false,"tls":true})"},
    }},
    {"1 1 1", "pop3 stls user/pass right", true, {
        {"command=allow", R"({"authed":"","device_id":"","login":"alice","mech":"PLAIN","protocol":"pop3","pwhash":"0560","remote":"192.0.2.10","session":"BZAW8ftgCJrAAAIK","tls":true})"},
        {"command=allow", R"({"authed":"ok","device_id":"","login":"alice","mech":"PLAIN","protocol":"pop3","pwhash":"0560","remote":"192.0.2.10","session":"BZAW8ftgCJrAAAIK","tls":true})"},
        {"command=report", R"({"authed":"ok","device_id":"","login":"alice","mech":"PLAIN","protocol":"pop3","pwhash":"0560","remote":"192.0.2.10","session":"BZAW8ftgCJrAAAIK","success":true,"policy_reject":false,"tls":true})"},
    }},
    {"1 1 1", "pop3 apop right", true, {
        {"command=allow", R"({"authed":"","device_id":"","login":"alice","mech":"APOP","protocol":"pop3","pwhash":"0d34","remote":"192.0.2.10","session":"aeAb8ftgDJrAAAIK","tls":false})"},
        {"command=allow", R"({"authed":"ok","device_id":"","login":"alice","mech":"APOP","protocol":"pop3","pwhash":"0d34","remote":"192.0.2.10","session":"aeAb8ftgDJrAAAIK","tls":false})"},
        {"command=report", R"({"authed":"ok","device_id":"","login":"alice","mech":"APOP","protocol":"pop3","pwhash":"0d34","remote":"192.0.2.10","session":"aeAb8ftgDJrAAAIK","success":true,"policy_reject":false,"tls":false})"},
    }},
    {"1 1 1", "imap starttls login right", true, {
        {"command=allow", R"({"authed":"","device_id":"","login":"alice","mech":"PLAIN","protocol":"imap","pwhash":"0560","remote":"2001:db8:100:a00::10","session":"nMsg8ftghpUgAQ24AQAKAAAAAAAAAAAQ","tls":true})"},
        {"command=allow", R"({"authed":"ok","device_id":"","login":"alice","mech":"PLAIN","protocol":"imap","pwhash":"0560","remote":"2001:db8:100:a00::10","session":"nMsg8ftghpUgAQ24AQAKAAAAAAAAAAAQ","tls":true})"},
        {"command=report", R"({"authed":"ok","device_id":"","login":"alice","mech":"PLAIN","protocol":"imap","pwhash":"0560","remote":"2001:db8:100:a00::10","session":"nMsg8ftghpUgAQ24AQAKAAAAAAAAAAAQ","success":true,"policy_reject":false,"tls":true})"},
    }},
    {"1 1 1", "pop3 stls user/pass wrong", false, {
        {"command=allow", R"({"authed":"","device_id":"","login":"alice","mech":"PLAIN","protocol":"pop3","pwhash":"0d2b","remote":"192.0.2.10","session":"uKkl8ftgGJrAAAIK","tls":true})"},
        {"command=report", R"({"authed":"","device_id":"","login":"alice","mech":"PLAIN","protocol":"pop3","pwhash":"0d2b","remote":"192.0.2.10","session":"uKkl8ftgGJrAAAIK","success":false,"policy_reject":false,"tls":true})"},
    }},
    {"1 1 1", "pop3 apop wrong", false, {
        {"command=allow", R"({"authed":"","device_id":"","login":"alice","mech":"APOP","protocol":"pop3","pwhash":"0d34","remote":"192.0.2.10","session":"KAoz8ftgIJrAAAIK","tls":false})"},
        {"command=report", R"({"authed":"ok","device_id":"","login":"alice","mech":"APOP","protocol":"pop3","pwhash":"0d34","remote":"192.0.2.10","session":"KAoz8ftgIJrAAAIK","success":false,"policy_reject":false,"tls":false})"},
    }},
    {"1 1 1", "imap starttls login wrong", false, {
        {"command=allow", R"({"authed":"","device_id":"","login":"alice","mech":"PLAIN","protocol":"imap","pwhash":"0d2b","remote":"2001:db8:100:a00::10","session":"R2E68ftgiJUgAQ24AQAKAAAAAAAAAAAQ","tls":true})"},
        {"command=report", R"({"authed":"","device_id":"","login":"alice","mech":"PLAIN","protocol":"imap","pwhash":"0d2b","remote":"2001:db8:100:a00::10","session":"R2E68ftgiJUgAQ24AQAKAAAAAAAAAAAQ","success":false,"policy_reject":false,"tls":true})"},
    }},
    {"1 1 1", "pop3 unknown user", false, {
        {"command=allow", R"({"authed":"","device_id":"","login":"nobody","mech":"PLAIN","protocol":"pop3","pwhash":"0362","remote":"192.0.2.10","session":"yuxB8ftgLprAAAIK","tls":true})"},
        {"command=report", R"({"authed":"","device_id":"","login":"nobody","mech":"PLAIN","protocol":"pop3","pwhash":"0362","remote":"192.0.2.10","session":"yuxB8ftgLprAAAIK","success":false,"policy_reject":false,"tls":true})"},
    }},
    {"0 0 1", "pop3 stls user/pass right", true, {
        {"command=report", R"({"authed":"ok","device_id":"","login":"alice","mech":"PLAIN","protocol":"pop3","pwhash":"05b7","remote":"192.0.2.10","session":"MIpg8ftgNprAAAIK","success":true,"policy_reject":false,"tls":true})"},
    }},
    {"0 0 1", "pop3 apop right", true, {
        {"command=report", R"({"authed":"ok","device_id":"","login":"alice","mech":"APOP","protocol":"pop3","pwhash":"0238","remote":"192.0.2.10","session":"G1Zm8ftgRJrAAAIK","success":true,"policy_reject":false,"tls":false})"},
    }},
    {"0 0 1", "imap starttls login right", true, {
        {"command=report", R"({"authed":"ok","device_id":"","login":"alice","mech":"PLAIN","protocol":"imap","pwhash":"05b7","remote":"2001:db8:100:a00::10","session":"a1pr8ftgjpUgAQ24AQAKAAAAAAAAAAAQ","success":true,"policy_reject":false,"tls":true})"},
    }},
    {"0 0 1", "pop3 stls user/pass wrong", false, {
        {"command=report", R"({"authed":"","device_id":"","login":"alice","mech":"PLAIN","protocol":"pop3","pwhash":"04a4","remote":"192.0.2.10","session":"H85w8ftgUJrAAAIK","success":false,"policy_reject":false,"tls":true})"},
    }},
    {"0 0 1", "pop3 apop wrong", false, {
        {"command=report", R"({"authed":"ok","device_id":"","login":"alice","mech":"APOP","protocol":"pop3","pwhash":"0238","remote":"192.0.2.10","session":"31t98ftgVJrAAAIK","success":false,"policy_reject":false,"tls":false})"},
    }},
    {"0 0 1", "imap starttls login wrong", false, {
        {"command=report", R"({"authed":"","device_id":"","login":"alice","mech":"PLAIN","protocol":"imap","pwhash":"04a4","remote":"2001:db8:100:a00::10","session":"tQGF8ftgkpUgAQ24AQAKAAAAAAAAAAAQ","success":false,"policy_reject":false,"tls":true})"},
    }},
    {"0 0 1", "pop3 unknown user", false, {
        {"command=report", R"({"authed":"","device_id":"","login":"nobody","mech":"PLAIN","protocol":"pop3","pwhash":"05d3","remote":"192.0.2.10","session":"vrWM8ftgXprAAAIK","success":false,"policy_reject":false,"tls":true})"},
    }},
    {"1 1 0", "pop3 stls user/pass right", true, {
        {"command=allow", R"({"authed":"","device_id":"","login":"alice","mech":"PLAIN","protocol":"pop3","pwhash":"0c8c","remote":"192.0.2.10","session":"tPqp8ftguubAAAIK","tls":true})"},
        {"command=allow", R"({"authed":"ok","device_id":"","login":"alice","mech":"PLAIN","protocol":"pop3","pwhash":"0c8c","remote":"192.0.2.10","session":"tPqp8ftguubAAAIK","tls":true})"},
    }},
    {"1 1 0", "pop3 apop right", true, {
        {"command=allow", R"({"authed":"","device_id":"","login":"alice","mech":"APOP","protocol":"pop3","pwhash":"07e8","remote":"192.0.2.10","session":"ORuw8ftgwObAAAIK","tls":false})"},
        {"command=allow", R"({"authed":"ok","device_id":"","login":"alice","mech":"APOP","protocol":"pop3","pwhash":"07e8","remote":"192.0.2.10","session":"ORuw8ftgwObAAAIK","tls":false})"},
    }},
    {"1 1 0", "imap starttls login right", true, {
        {"command=allow", R"({"authed":"","device_id":"","login":"alice","mech":"PLAIN","protocol":"imap","pwhash":"0c8c","remote":"2001:db8:100:a00::10","session":"POa18ftgaOkgAQ24AQAKAAAAAAAAAAAQ","tls":true})"},
        {"command=allow", R"({"authed":"ok","device_id":"","login":"alice","mech":"PLAIN","protocol":"imap","pwhash":"0c8c","remote":"2001:db8:100:a00::10","session":"POa18ftgaOkgAQ24AQAKAAAAAAAAAAAQ","tls":true})"},
    }},
    {"1 1 0", "pop3 stls user/pass wrong", false, {
        {"command=allow", R"({"authed":"","device_id":"","login":"alice","mech":"PLAIN","protocol":"pop3","pwhash":"0f76","remote":"192.0.2.10","session":"5hm88ftgyubAAAIK","tls":true})"},
    }},
    {"1 1 0", "pop3 apop wrong", false, {
        {"command=allow", R"({"authed":"","device_id":"","login":"alice","mech":"APOP","protocol":"pop3","pwhash":"07e8","remote":"192.0.2.10","session":"dm/I8ftgzubAAAIK","tls":false})"},
    }},
    {"1 1 0", "imap starttls login wrong", false, {
        {"command=allow", R"({"authed":"","device_id":"","login":"alice","mech":"PLAIN","protocol":"imap","pwhash":"0f76","remote":"2001:db8:100:a00::10","session":"7CXQ8ftgcOkgAQ24AQAKAAAAAAAAAAAQ","tls":true})"},
    }},
    {"1 1 0", "pop3 unknown user", false, {
        {"command=allow", R"({"authed":"","device_id":"","login":"nobody","mech":"PLAIN","protocol":"pop3","pwhash":"068c","remote":"192.0.2.10","session":"PsrX8ftg2ubAAAIK","tls":true})"},
    }},
};
// clang-format on

}  // namespace sekisho::logins
