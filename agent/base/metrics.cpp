// SPDX-License-Identifier: Apache-2.0
// Metrics by prometheus-cpp's values and serializer.
#include "agent/base/metrics.h"

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>
#include <prometheus/metric_type.h>
#include <prometheus/text_serializer.h>

#include <stdexcept>
#include <utility>

namespace sekisho {
namespace {

prometheus::ClientMetric client_metric(Metrics::Kind kind, const Metrics::Labels& labels, double value) {
    prometheus::ClientMetric metric;
    for (const auto& [name, text] : labels) {
        metric.label.push_back({name, text});
    }
    if (kind == Metrics::Kind::counter) {
        metric.counter.value = value;
    } else {
        metric.gauge.value = value;
    }
    return metric;
}

}  // namespace

void Metrics::declare(const std::string& name, Kind kind, std::string help) {
    if (!families_.try_emplace(name, Family{kind, std::move(help), {}}).second) {
        throw std::logic_error("metric " + name + " declared twice");
    }
}

Metrics::Family& Metrics::family(std::string_view name) {
    const auto found = families_.find(name);
    if (found == families_.end()) {
        throw std::logic_error("metric " + std::string(name) + " was never declared");
    }
    return found->second;
}

void Metrics::add(std::string_view name, const Labels& labels, double by) {
    family(name).values[labels] += by;
}

void Metrics::set(std::string_view name, const Labels& labels, double value) {
    family(name).values[labels] = value;
}

void Metrics::clear(std::string_view name) {
    family(name).values.clear();
}

void Metrics::before_text(std::function<void(Metrics&)> refresh) {
    refreshers_.push_back(std::move(refresh));
}

std::string Metrics::text() {
    for (const auto& refresh : refreshers_) {
        refresh(*this);
    }
    std::vector<prometheus::MetricFamily> families;
    families.reserve(families_.size());
    for (const auto& [name, family] : families_) {
        prometheus::MetricFamily out;
        out.name = name;
        out.help = family.help;
        out.type =
            family.kind == Kind::counter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
        for (const auto& [labels, value] : family.values) {
            out.metric.push_back(client_metric(family.kind, labels, value));
        }
        families.push_back(std::move(out));
    }
    return prometheus::TextSerializer().Serialize(families);
}

}  // namespace sekisho
