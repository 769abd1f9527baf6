// SPDX-License-Identifier: Apache-2.0
// Group commit.
#include "smtpd/spool/writer.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <utility>

namespace sekisho::spool {

namespace {

constexpr std::chrono::milliseconds longest_wait_for_company{100};
constexpr std::size_t enough_company = 50;
constexpr std::uint64_t most_octets_together = std::uint64_t{16} << 20;

}  // namespace

Writer::Writer(Spool spool, Post post)
    : spool_(std::move(spool)), post_(std::move(post)), thread_([this] { run(); }) {}

// NOLINTNEXTLINE(bugprone-exception-escape): without its thread there is no spool, and no way on
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
    while (!queue_.empty()) {  // nobody else may submit any more
        write_queue();
    }
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

// They are the next ones.
void Writer::put_back(Jobs& jobs, std::size_t from) {
    const auto first = std::next(jobs.begin(), static_cast<std::ptrdiff_t>(from));
    {
        const std::scoped_lock held(mutex_);
        queue_.insert(queue_.begin(), std::move_iterator(first), std::move_iterator(jobs.end()));
        is_urgent_ = true;
    }
    jobs.erase(first, jobs.end());
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
    if (auto begun = spool_.begin(); !begun) {
        for (Job& job : jobs) {
            job.result = begun;  // somebody holds the file: nobody would fare better alone
        }
        return;
    }
    if (!together(jobs)) {
        // One that doesn't fit on the disk any more has taken the others with it.
        for (Job& job : jobs) {
            job.result = alone(job.work);
        }
    }
    const auto for_want_of_room = [](const Job& job) {
        return !job.result && job.result.error().kind == Failure::unavailable;
    };
    if (std::ranges::any_of(jobs, for_want_of_room)) {
        spool_.shrink();
    }
}

// Whether each job's result is its own. Whoever asks something meanwhile, and those who came first, don't
// wait for more than some octets.
bool Writer::together(Jobs& jobs) {
    for (std::size_t i = 0; i < jobs.size(); i++) {
        jobs[i].result = spool_.one(jobs[i].work);
        if (!spool_.in_transaction()) {
            return false;
        }
        if (spool_.taken() >= most_octets_together) {
            put_back(jobs, i + 1);
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
