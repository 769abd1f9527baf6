// SPDX-License-Identifier: Apache-2.0
// The one thread that writes to the spool: work that comes while a commit is under way shares the next one,
// and so does what can wait for company. Whoever takes messages in runs on it, too: to wake another thread
// takes as long as half a commit, and so does being woken by it.
#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
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
    // As end().
    ~Writer();
    // What is queued is still written; `done` of it isn't called any more where `post` doesn't run it.
    // Nothing runs on executor() from then on.
    void end();

    // Does the work in a transaction, with others', and calls `done` (by `post`) when it is on the disk, or
    // with why not. `work` runs on the writer's thread; a second time where the others have spoilt the first.
    // What is submitted first is done first. Thread-safe.
    void submit(Work work, Done done, When when = When::at_once);

    // Of the thread that writes, between two commits: nothing that takes long may run there.
    [[nodiscard]] boost::asio::any_io_executor executor() { return context_.get_executor(); }
    // From what runs there: `done` is called there, too.
    void submit_here(Work work, Done done);

private:
    struct Job {
        Work work;
        Done done;
        bool here = false;  // done is called on this thread
        Result<void> result;
    };
    using Jobs = std::vector<Job>;

    void run();
    [[nodiscard]] bool is_due();
    void wait();
    void write_queue();
    void put_back(Jobs& jobs, std::size_t from);
    void tell(Jobs& jobs);
    void write(Jobs& jobs);
    [[nodiscard]] bool together(Jobs& jobs);
    [[nodiscard]] Result<void> alone(const Work& work);

    Spool spool_;
    Post post_;
    boost::asio::io_context context_{1};
    std::atomic<bool> ending_ = false;
    std::mutex mutex_;
    Jobs queue_;                                     // under mutex_, and so are the next two
    bool is_urgent_ = false;                         // somebody in it wants it at once
    std::chrono::steady_clock::time_point begun_{};  // when the first in it came
    std::thread thread_;
};

}  // namespace sekisho::spool
