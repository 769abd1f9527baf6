// SPDX-License-Identifier: Apache-2.0
// Group commit.
#include "smtpd/spool/writer.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <utility>

namespace sekisho::spool {

namespace {

constexpr std::chrono::milliseconds longest_wait_for_company{100};
constexpr std::size_t enough_company = 50;

}  // namespace

Writer::Writer(Spool spool, Post post)
    : spool_(std::move(spool)),
      post_(std::move(post)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Writer::~Writer() {
    thread_.request_stop();
    thread_.join();
}

void Writer::submit(Work work, Done done, When when) {
    {
        const std::scoped_lock held(mutex_);
        queue_.push_back({std::move(work), std::move(done), {}});
        is_urgent_ = is_urgent_ || when == When::at_once || queue_.size() >= enough_company;
    }
    wake_.notify_one();
}

void Writer::run(const std::stop_token& stop) {
    while (true) {
        const auto jobs = std::make_shared<std::vector<Job>>(next(stop));
        if (jobs->empty()) {
            return;
        }
        write(*jobs);
        post_([jobs] {
            for (Job& job : *jobs) {
                job.done(std::move(job.result));
            }
        });
    }
}

// Nothing at the end.
std::vector<Writer::Job> Writer::next(const std::stop_token& stop) {
    std::unique_lock held(mutex_);
    wake_.wait(held, stop, [this] { return !queue_.empty(); });
    wake_.wait_for(held, stop, longest_wait_for_company, [this] { return is_urgent_; });
    is_urgent_ = false;
    return std::exchange(queue_, {});
}

void Writer::write(std::vector<Job>& jobs) {
    if (!together(jobs)) {
        // One that doesn't fit on the disk any more has taken the others with it.
        for (Job& job : jobs) {
            job.result = alone(job.work);
        }
    }
    if (std::ranges::any_of(jobs, [](const Job& job) { return !job.result; })) {
        spool_.shrink();
    }
}

// Whether each job's result is its own.
bool Writer::together(std::vector<Job>& jobs) {
    if (auto begun = spool_.begin(); !begun) {
        for (Job& job : jobs) {
            job.result = begun;  // somebody holds the file: nobody would fare better alone
        }
        return true;
    }
    for (Job& job : jobs) {
        job.result = spool_.one(job.work);
        if (!spool_.in_transaction()) {
            return false;
        }
    }
    const bool committed = spool_.commit().has_value();
    spool_.roll_back();
    return committed;
}

Result<void> Writer::alone(const Work& work) {
    auto result = spool_.begin();
    if (result) {
        result = work(spool_);
    }
    if (result) {
        result = spool_.commit();
    }
    spool_.roll_back();
    return result;
}

}  // namespace sekisho::spool
