// SPDX-License-Identifier: Apache-2.0
// A network namespace of the test's own, gone with the object.
#pragma once

#include <functional>
#include <string>

namespace sekisho::bpftest {

class Namespace {
public:
    // The test ends if there can't be one. Loopback is up; no interface configures IPv6 by itself.
    Namespace();
    ~Namespace();
    Namespace(const Namespace&) = delete;
    Namespace& operator=(const Namespace&) = delete;

    // Runs `work` in a thread of its own inside the namespace, and waits for it.
    void inside(const std::function<void()>& work) const;
    // Runs "ip ARGUMENTS" inside; the test ends if it fails.
    void ip(const std::string& arguments) const;
    // Gives an interface an address ("2001:db8::5/64"), of use from now on.
    void number(const std::string& interface, const std::string& address) const;
    void set(const std::string& sysctl, const std::string& value) const;
    [[nodiscard]] unsigned index_of(const std::string& interface) const;
    // A path that other namespaces' `ip link ... netns PATH` understands.
    [[nodiscard]] std::string path() const;

private:
    [[nodiscard]] bool is_local(const std::string& address) const;

    int descriptor_ = -1;
};

}  // namespace sekisho::bpftest
