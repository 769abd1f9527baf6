// SPDX-License-Identifier: Apache-2.0
// Group commit.
#include "smtpd/spool/writer.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cstddef>
#include <memory>
#include <utility>

namespace sekisho::spool {

namespace {

constexpr std::chrono::milliseconds longest_wait_for_company{100};
constexpr std::size_t enough_company = 50;

}  // namespace

Writer::Writer(Spool spool, Post post)
    : spool_(std::move(spool)), post_(std::move(post)), thread_([this] { run(); }) {}

Writer::~Writer() {
    end();
}

void Writer::end() {
    ending_ = true;
    boost::asio::post(context_, [] {});
    if (thread_.joinable()) {
        thread_.join();
    }
}

void Writer::submit(Work work, Done done, When when) {
    bool wakes = false;
    {
        const std::scoped_lock held(mutex_);
        const bool was_urgent = is_urgent_;
        if (queue_.empty()) {
            begun_ = std::chrono::steady_clock::now();
            wakes = true;
        }
        queue_.push_back({.work = std::move(work), .done = std::move(done), .here = false, .result = {}});
        is_urgent_ = is_urgent_ || when == When::at_once || queue_.size() >= enough_company;
        wakes = wakes || is_urgent_ != was_urgent;
    }
    if (wakes) {
        boost::asio::post(context_, [] {});
    }
}

void Writer::submit_here(Work work, Done done) {
    const std::scoped_lock held(mutex_);
    queue_.push_back({.work = std::move(work), .done = std::move(done), .here = true, .result = {}});
    is_urgent_ = true;
}

void Writer::run() {
    const auto guard = boost::asio::make_work_guard(context_);
    while (!ending_) {
        wait();
        // Whatever has come meanwhile shares the commit.
        context_.poll();
        if (is_due()) {
            write_queue();
        }
    }
    write_queue();
}

bool Writer::is_due() {
    const std::scoped_lock held(mutex_);
    return is_urgent_ ||
           (!queue_.empty() && std::chrono::steady_clock::now() - begun_ >= longest_wait_for_company);
}

// Until something has come, or what has come has waited long enough.
void Writer::wait() {
    std::unique_lock held(mutex_);
    const bool urgent = is_urgent_;
    const bool some = !queue_.empty();
    const auto end = begun_ + longest_wait_for_company;
    held.unlock();
    if (urgent) {
        return;
    }
    if (some) {
        context_.run_one_until(end);
    } else {
        context_.run_one();
    }
}

void Writer::write_queue() {
    Jobs jobs;
    {
        const std::scoped_lock held(mutex_);
        is_urgent_ = false;
        jobs = std::exchange(queue_, {});
    }
    if (!jobs.empty()) {
        write(jobs);
        tell(jobs);
    }
}

void Writer::tell(Jobs& jobs) {
    const auto others = std::make_shared<Jobs>();
    for (Job& job : jobs) {
        if (job.here) {
            job.done(std::move(job.result));
        } else {
            others->push_back(std::move(job));
        }
    }
    if (!others->empty()) {
        post_([others] {
            for (Job& job : *others) {
                job.done(std::move(job.result));
            }
        });
    }
}

void Writer::write(Jobs& jobs) {
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
bool Writer::together(Jobs& jobs) {
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
