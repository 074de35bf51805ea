#include "closer.hpp"

#include <utility>

namespace retina {

/** One job at a time: the pool's other threads stay free for everybody else. */
class Closer::Job : public Napi::AsyncWorker {
 public:
  explicit Job(Closer& closer) : Napi::AsyncWorker(closer.env_, "retina-close"), closer_(closer) {}

 protected:
  void Execute() override {
    for (;;) {
      std::vector<std::function<void()>> tasks;
      {
        std::lock_guard lock(closer_.mutex_);
        tasks.swap(closer_.tasks_);
      }
      if (tasks.empty()) return;
      for (auto& task : tasks) task();
    }
  }

  void OnOK() override {
    closer_.running_ = false;
    bool more;
    {
      std::lock_guard lock(closer_.mutex_);
      more = !closer_.tasks_.empty();
    }
    if (more) return closer_.start();
    for (auto& done : std::exchange(closer_.waiting_, {})) done();
  }

 private:
  Closer& closer_;
};

void Closer::start() {
  running_ = true;
  (new Job(*this))->Queue();
}

void Closer::add(std::function<void()> task) {
  {
    std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  if (!running_) start();
}

void Closer::when_idle(std::function<void()> done) {
  if (!running_) return done();
  waiting_.push_back(std::move(done));
}

}  // namespace retina
