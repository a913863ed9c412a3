// What torch's Python has no word for: who frees a storage's memory. Compiled against the headers of the torch that is installed, on
// first use (storage.py). Storages are passed by the address that Python knows as `_cdata`.
#include <c10/core/CPUAllocator.h>
#include <c10/core/StorageImpl.h>

static c10::DeleterFnPtr plain() { return c10::GetDefaultCPUAllocator()->raw_deleter(); }

// The `void (*)(void *)` that torch's own allocator for host memory frees with.
extern "C" void *fpisa_storage_free() { return reinterpret_cast<void *>(plain()); }

// The memory's address if that allocator made it, so that nobody else has a claim on it; otherwise null.
extern "C" void *fpisa_storage_own(c10::StorageImpl *storage) {
    const c10::DataPtr &data = storage->data_ptr();
    bool own = data.device().is_cpu() && data.get_deleter() == plain() && data.get() == data.get_context();
    return own ? data.get_context() : nullptr;
}

// From now on `release` is called with the address in place of torch's own. 0: it is not torch's own any more.
extern "C" int fpisa_storage_watch(c10::StorageImpl *storage, c10::DeleterFnPtr release) {
    return storage->mutable_data_ptr().compare_exchange_deleter(plain(), release);
}
