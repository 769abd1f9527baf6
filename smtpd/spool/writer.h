// SPDX-License-Identifier: Apache-2.0
// The one thread that writes to the spool: work that comes while a commit is under way shares the next one,
// and so does what can wait for company.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "agent/base/result.h"
#include "smtpd/spool/spool.h"

namespace sekisho::spool {

class Writer {
public:
    using Work = std::function<Result<void>(Spool&)>;
    using Done = std::function<void(Result<void>)>;
    // Runs a function on the thread of those who wait.
    using Post = std::function<void(std::function<void()>)>;
    // in_company: whoever is to be told waits for the next commit that somebody else wants, a tenth of a
    // second at most. For what would merely be done again if it were lost.
    enum class When : std::uint8_t { at_once, in_company };

    Writer(Spool spool, Post post);
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;
    // What is queued is still written; `done` of it isn't called any more where `post` doesn't run it.
    ~Writer();

    // Does the work in a transaction, with others', and calls `done` (by `post`) when it is on the disk, or
    // with why not. `work` runs on the writer's thread; a second time where the others have spoilt the first.
    // What is submitted first is done first. Thread-safe.
    void submit(Work work, Done done, When when = When::at_once);

private:
    struct Job {
        Work work;
        Done done;
        Result<void> result;
    };

    void run(const std::stop_token& stop);
    [[nodiscard]] std::vector<Job> next(const std::stop_token& stop);
    void write(std::vector<Job>& jobs);
    [[nodiscard]] bool together(std::vector<Job>& jobs);
    [[nodiscard]] Result<void> alone(const Work& work);

    Spool spool_;
    Post post_;
    std::mutex mutex_;
    std::condition_variable_any wake_;
    std::vector<Job> queue_;  // under mutex_
    bool is_urgent_ = false;  // somebody in it wants it at once
    std::jthread thread_;
};

}  // namespace sekisho::spool
