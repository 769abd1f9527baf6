// SPDX-License-Identifier: Apache-2.0
// Numbers for Prometheus, as text (exposition format 0.0.4). Who serves the text is not this room's business.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sekisho {

class Metrics {
public:
    enum class Kind { counter, gauge };
    using Labels = std::map<std::string, std::string>;  // values may come from strangers, names not

    // Makes a metric known; before that it can't be counted (std::logic_error). Twice is a bug, too.
    void declare(const std::string& name, Kind kind, std::string help);

    // Adds to one line of a metric, which begins at 0.
    void add(std::string_view name, const Labels& labels = {}, double by = 1);

    // Sets one line: a gauge, or a counter that is kept elsewhere (the kernel's).
    void set(std::string_view name, const Labels& labels, double value);

    // Forgets all lines of a metric, for one whose labels come and go.
    void clear(std::string_view name);

    // `refresh` is called at the beginning of each text(), to set() what isn't counted here.
    void before_text(std::function<void(Metrics&)> refresh);

    [[nodiscard]] std::string text();

private:
    struct Family {
        Kind kind = Kind::counter;
        std::string help;
        std::map<Labels, double> values;
    };
    Family& family(std::string_view name);

    std::map<std::string, Family, std::less<>> families_;
    std::vector<std::function<void(Metrics&)>> refreshers_;
};

}  // namespace sekisho
