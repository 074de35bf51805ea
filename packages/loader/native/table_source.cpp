// RT_TABLE: programs add to one of two hashes, named by a generation. Flip it, wait for the programs that may still
// hold an entry of the old half, then take the old half empty. Every count is handed over exactly once.
#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "lost_counter.hpp"
#include "stream_source.hpp"

namespace retina {

class TableSource : public Source {
 public:
  TableSource(std::shared_ptr<const BpfObject> object, const std::string& name, uint32_t ms)
      : object_(std::move(object)),
        halves_{object_->map(name + "_0"), object_->map(name + "_1")},
        control_(object_->map(name + "_control")),
        lost_(*object_, name),
        ms_(ms) {
    chunk_ = std::min<uint32_t>(halves_[0].max_entries, 512);
    control_value_.resize(control_.value_size);
  }

  void start(SourceHost& host) override {
    host_ = &host;
    host.every(ms_);
  }

  bool begin() override {
    if (draining_) return false;  // JavaScript is behind; programs go on adding to the current half
    serving_ = std::move(flushed_);
    flushed_.clear();
    flip();
    return true;
  }

  void drain() override {
    draining_ = true;
    first_ = true;
    next_ = count_ = 0;
    continue_drain();
  }

  void slab_free() override {
    if (draining_) continue_drain();
  }

  /** Another interval: u32 milliseconds. */
  void message(const uint8_t* data, size_t bytes) override {
    uint32_t ms = 0;
    if (bytes != sizeof ms) return;
    memcpy(&ms, data, sizeof ms);
    host_->every(std::max(ms, 1u));
  }

  void flush(std::function<void()> done) override {
    flushed_.push_back(std::move(done));
    if (!draining_) host_->soon();
  }

 private:
  size_t stride() const { return halves_[0].key_size + halves_[0].value_size; }

  void flip() {
    const uint32_t slot = 0;
    if (bpf_map_lookup_elem(control_.fd, &slot, control_value_.data()) != 0)
      throw failed("reading the generation", errno);
    uint32_t generation;
    memcpy(&generation, control_value_.data(), sizeof(generation));
    idle_ = generation & 1;
    generation++;
    memcpy(control_value_.data(), &generation, sizeof(generation));
    if (bpf_map_update_elem(control_.fd, &slot, control_value_.data(), BPF_ANY) != 0)
      throw failed("flipping the generation", errno);
  }

  void continue_drain() {
    size_t rows = 0;
    for (;;) {
      if (next_ == count_ && !take_chunk()) break;
      Slab* slab = host_->slab();
      if (!slab) return;  // rows is 0: a slab that has rows is still ours
      const MapInfo& half = halves_[idle_];
      while (next_ < count_ && (rows + 1) * stride() <= slab->bytes) {
        uint8_t* to = slab->data + rows++ * stride();
        memcpy(to, &keys_[next_ * half.key_size], half.key_size);
        memcpy(to + half.key_size, &values_[next_ * half.value_size], half.value_size);
        next_++;
      }
      if (next_ < count_) {
        host_->submit(rows, lost_.since_last());
        rows = 0;
      }
    }
    const uint64_t lost = lost_.since_last();
    if (rows > 0 || lost > 0) host_->submit(rows, lost);
    draining_ = false;
    for (auto& done : std::exchange(serving_, {})) done();
    if (!flushed_.empty()) host_->soon();
  }

  /** The next entries of the idle half, removed from it; false when it is empty. */
  bool take_chunk() {
    const MapInfo& half = halves_[idle_];
    next_ = count_ = 0;
    while (!empty_) {
      keys_.resize(size_t{chunk_} * half.key_size);
      values_.resize(size_t{chunk_} * half.value_size);
      if (!batches_) return take_singly(half);
      uint32_t count = chunk_;
      LIBBPF_OPTS(bpf_map_batch_opts, options);
      const int error = -bpf_map_lookup_and_delete_batch(half.fd, first_ ? nullptr : &position_, &position_,
                                                         keys_.data(), values_.data(), &count, &options);
      if (error == ENOSPC && chunk_ < half.max_entries) {  // one bucket holds more than fits
        chunk_ = std::min(half.max_entries, chunk_ * 4);
        continue;
      }
      if (error && error != ENOENT) {
        if (!first_) throw failed("draining", error);
        batches_ = false;
        continue;
      }
      first_ = false;
      empty_ = error == ENOENT;
      count_ = count;
      if (count_ > 0) return true;
    }
    empty_ = false;  // for the next drain
    return false;
  }

  /** For kernels or maps without batches. */
  bool take_singly(const MapInfo& half) {
    for (; count_ < chunk_; count_++) {
      uint8_t* key = &keys_[count_ * half.key_size];
      if (bpf_map_get_next_key(half.fd, nullptr, key) != 0) break;
      if (bpf_map_lookup_elem(half.fd, key, &values_[count_ * half.value_size]) != 0) throw failed("draining", errno);
      if (bpf_map_delete_elem(half.fd, key) != 0) throw failed("draining", errno);
    }
    return count_ > 0;
  }

  Failure failed(const char* what, int error) const {
    return Failure("RETINA_MAP_FAILED", std::string(what) + " of table '" + halves_[0].name + "' failed",
                   {.found = errno_text(error)});
  }

  std::shared_ptr<const BpfObject> object_;
  MapInfo halves_[2];
  MapInfo control_;
  LostCounter lost_;
  uint32_t ms_;
  SourceHost* host_ = nullptr;
  std::vector<uint8_t> control_value_;
  std::vector<uint8_t> keys_, values_;
  uint32_t chunk_ = 0;
  uint32_t position_ = 0;  // of a hash's batch: the bucket
  size_t next_ = 0, count_ = 0;
  uint32_t idle_ = 0;
  bool draining_ = false, first_ = true, empty_ = false, batches_ = true;
  std::vector<std::function<void()>> flushed_, serving_;
};

std::unique_ptr<Source> make_table_source(std::shared_ptr<const BpfObject> object, const std::string& name,
                                          size_t stride, uint32_t ms) {
  const MapInfo& half = object->map(name + "_0");
  const MapInfo& other = object->map(name + "_1");
  const MapInfo& control = object->map(name + "_control");
  const bool fits = half.type == BPF_MAP_TYPE_HASH && other.type == half.type && other.key_size == half.key_size &&
                    other.value_size == half.value_size;
  if (!fits || control.type != BPF_MAP_TYPE_ARRAY || control.value_size < 4) {
    throw Failure("RETINA_OBJECT_INVALID", "'" + name + "' is no table",
                  {.needed = "two equal hashes NAME_0 and NAME_1 and an array NAME_control (RT_TABLE)"});
  }
  if (half.key_size + half.value_size != stride || stride % 8 != 0 || half.key_size % 8 != 0) {
    throw Failure("RETINA_OBJECT_INVALID", "the layout does not fit the table '" + name + "'",
                  {.found = "keys of " + std::to_string(half.key_size) + " and values of " +
                            std::to_string(half.value_size) + " bytes",
                   .needed = std::to_string(stride) + " bytes, the layout's stride; all multiples of 8",
                   .next = "build the object and its layout again, together"});
  }
  return std::make_unique<TableSource>(std::move(object), name, std::max(ms, 1u));
}

}  // namespace retina
