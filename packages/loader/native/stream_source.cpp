// A BPF ring buffer, read record by record into slabs. Records are left in the ring while JavaScript has no slab free,
// so that the kernel's counter is the only place where any are lost.
#include "stream_source.hpp"

#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <vector>

#include "lost_counter.hpp"

namespace retina {

// A burst becomes few batches: after a batch the ring rests this long, unless it fills faster. While it is not empty
// the kernel wakes nobody.
constexpr uint32_t kRestMs = 5;
constexpr uint32_t kLostCheckMs = 1000;

class StreamSource : public Source {
 public:
  StreamSource(std::shared_ptr<const BpfObject> object, const MapInfo& map, size_t stride, uint32_t ms)
      : object_(std::move(object)), map_(map), stride_(stride), ms_(ms), lost_(*object_, map.name) {
    page_ = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    consumer_ = map_pages(PROT_READ | PROT_WRITE, page_, 0);
    producer_ = map_pages(PROT_READ, page_ + 2 * size_t{map.max_entries}, static_cast<off_t>(page_));
    data_ = producer_ + page_;
  }

  ~StreamSource() override {
    munmap(consumer_, page_);
    if (producer_) munmap(producer_, page_ + 2 * size_t{map_.max_entries});
  }

  void start(SourceHost& host) override {
    host_ = &host;
    // By time, only what a program forces wakes: the ring is half full.
    if (ms_ != 0) host.watch_wakes(map_.fd);
    else host.watch(map_.fd);
    host.every(ms_ != 0 ? ms_ : kLostCheckMs);
  }

  void ready(int) override {
    if (ms_ != 0) {
      consume();
      return;
    }
    host_->unwatch(map_.fd);
    resting_ = true;
    if (fills_fast(consume())) host_->soon();
    else host_->once(kRestMs);
  }

  bool begin() override {
    if (ms_ != 0) {
      consume();
    } else if (resting_) {
      if (fills_fast(consume())) {
        host_->soon();
      } else {
        resting_ = false;
        host_->watch(map_.fd);
      }
    }
    if (const uint64_t lost = lost_.since_last()) host_->submit(0, lost);
    return false;
  }

  void slab_free() override { consume(); }

  void flush(std::function<void()> done) override {
    flushed_.push_back(std::move(done));
    consume();
  }

 private:
  uint8_t* map_pages(int protection, size_t size, off_t offset) {
    void* pages = mmap(nullptr, size, protection, MAP_SHARED, map_.fd, offset);
    if (pages != MAP_FAILED) return static_cast<uint8_t*>(pages);
    const int error = errno;
    if (consumer_) munmap(consumer_, page_);
    throw Failure("RETINA_MAP_FAILED", "the ring buffer '" + map_.name + "' cannot be mapped",
                  {.found = errno_text(error)});
  }

  static std::atomic_ref<unsigned long> position(uint8_t* page) {
    return std::atomic_ref(*reinterpret_cast<unsigned long*>(page));
  }

  bool fills_fast(size_t consumed) const { return consumed > map_.max_entries / 8; }

  /** Reads everything that is there, or until no slab is free. Returns the bytes read, 0 when no slab was free. */
  size_t consume() {
    size_t rows = 0;
    bool out_of_slabs = false;
    const unsigned long start = position(consumer_).load(std::memory_order_relaxed);
    unsigned long at = start;
    const unsigned long end = position(producer_).load(std::memory_order_acquire);
    while (at < end) {
      auto* header = reinterpret_cast<uint32_t*>(data_ + (at & (map_.max_entries - 1)));
      const uint32_t length = std::atomic_ref(*header).load(std::memory_order_acquire);
      if (length & BPF_RINGBUF_BUSY_BIT) break;  // reserved, not yet submitted
      const uint32_t size = length & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
      if (!(length & BPF_RINGBUF_DISCARD_BIT)) {
        if (size != stride_) throw mismatch(size);
        Slab* slab = host_->slab();
        if (!slab) {
          out_of_slabs = true;
          break;
        }
        memcpy(slab->data + rows * stride_, reinterpret_cast<uint8_t*>(header) + BPF_RINGBUF_HDR_SZ, stride_);
        rows++;
        if ((rows + 1) * stride_ > slab->bytes) {
          host_->submit(rows, lost_.since_last());
          rows = 0;
        }
      }
      at += (size + BPF_RINGBUF_HDR_SZ + 7) & ~7ul;
      position(consumer_).store(at, std::memory_order_release);
    }
    if (rows > 0) host_->submit(rows, lost_.since_last());
    if (out_of_slabs) return 0;
    for (auto& done : std::exchange(flushed_, {})) done();
    return at - start;
  }

  Failure mismatch(uint32_t size) const {
    return Failure("RETINA_OBJECT_INVALID", "the stream '" + map_.name + "' carries records of another size",
                   {.found = std::to_string(size) + " bytes",
                    .needed = std::to_string(stride_) + " bytes, the layout's stride",
                    .next = "build the object and its layout again, together"});
  }

  std::shared_ptr<const BpfObject> object_;
  MapInfo map_;
  size_t stride_;
  uint32_t ms_;  // 0: when a record arrives
  LostCounter lost_;
  SourceHost* host_ = nullptr;
  size_t page_ = 0;
  uint8_t* consumer_ = nullptr;
  uint8_t* producer_ = nullptr;
  uint8_t* data_ = nullptr;
  bool resting_ = false;
  std::vector<std::function<void()>> flushed_;
};

std::unique_ptr<Source> make_stream_source(std::shared_ptr<const BpfObject> object, const std::string& name,
                                           size_t stride, uint32_t ms) {
  const MapInfo map = object->map(name);
  if (map.type != BPF_MAP_TYPE_RINGBUF) {
    throw Failure("RETINA_OBJECT_INVALID", "the map '" + name + "' is no stream",
                  {.found = "type " + std::to_string(map.type), .needed = "a ring buffer (RT_STREAM)"});
  }
  if (stride == 0 || stride % 8 != 0 || stride > SlabPlan{}.bytes) {
    throw Failure("RETINA_OBJECT_INVALID", "the layout of stream '" + name + "' has an impossible stride",
                  {.found = std::to_string(stride), .needed = "a multiple of 8 up to 65536"});
  }
  return std::make_unique<StreamSource>(std::move(object), map, stride, ms);
}

}  // namespace retina
