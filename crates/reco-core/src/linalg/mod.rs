//! Small dense kernels: dot products, scans, solves; dispatched to the best instructions at run time.
