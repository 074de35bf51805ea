#include "btf_types.hpp"

namespace retina {

static std::string name_at(const btf* types, uint32_t offset) {
  const char* name = btf__name_by_offset(types, offset);
  return name ? name : "";
}

int tracepoint_arguments_in(const btf* types, const std::string& name) {
  const int id = btf__find_by_name_kind(types, ("btf_trace_" + name).c_str(), BTF_KIND_TYPEDEF);
  if (id < 0) return -1;
  // typedef void (*btf_trace_NAME)(void *context, …)
  const btf_type* type = btf__type_by_id(types, btf__type_by_id(types, static_cast<uint32_t>(id))->type);
  if (!type || !btf_is_ptr(type)) return -1;
  type = btf__type_by_id(types, type->type);
  return type && btf_is_func_proto(type) && btf_vlen(type) > 0 ? btf_vlen(type) - 1 : -1;
}

bool add_enum_names(const btf* types, const std::string& name, uint32_t first, std::map<int64_t, std::string>& names) {
  const uint32_t count = btf__type_cnt(types);
  for (uint32_t id = first; id < count; id++) {
    const btf_type* type = btf__type_by_id(types, id);
    if (!type || (!btf_is_enum(type) && !btf_is_enum64(type)) || btf_vlen(type) == 0) continue;
    const char* own = btf__name_by_offset(types, type->name_off);
    if (!own || name != own) continue;
    for (uint16_t i = 0; i < btf_vlen(type); i++) {
      if (btf_is_enum64(type)) {
        const auto* value = btf_enum64(type) + i;
        names.emplace(static_cast<int64_t>(btf_enum64_value(value)), name_at(types, value->name_off));
      } else {
        const auto* value = btf_enum(type) + i;
        const int64_t number = btf_kflag(type) ? value->val : static_cast<int64_t>(static_cast<uint32_t>(value->val));
        names.emplace(number, name_at(types, value->name_off));
      }
    }
    return true;
  }
  return false;
}

std::vector<ConstantPlace> constant_places(const btf* types) {
  std::vector<ConstantPlace> places;
  if (!types) return places;
  const uint32_t count = btf__type_cnt(types);
  for (uint32_t id = 1; id < count; id++) {
    const btf_type* section = btf__type_by_id(types, id);
    if (!section || !btf_is_datasec(section)) continue;
    const std::string section_name = name_at(types, section->name_off);
    if (!section_name.starts_with(".rodata")) continue;
    const btf_var_secinfo* entries = btf_var_secinfos(section);
    for (uint16_t i = 0; i < btf_vlen(section); i++) {
      const btf_type* variable = btf__type_by_id(types, entries[i].type);
      const uint32_t size = entries[i].size;
      if (!variable || !btf_is_var(variable) || btf_var(variable)->linkage == BTF_VAR_STATIC) continue;
      if (size != 1 && size != 2 && size != 4 && size != 8) continue;
      places.push_back({name_at(types, variable->name_off), section_name, entries[i].offset, size});
    }
  }
  return places;
}

}  // namespace retina
