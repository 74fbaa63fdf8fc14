//! Pooling over gathered activations: `runs` are the elements of a window, each `run` channels long.

use super::requantise::Requantise;
use super::{Gather, KernelError, LANES, check_eq, check_len};

/// The largest value of each window, of bytes or floats; scale and zero point stay as they are.
#[derive(Debug, Clone)]
pub struct MaxPool {
    gather: Gather,
}

impl MaxPool {
    /// Over the windows of a gather: a run for each element of a window.
    pub fn new(gather: Gather) -> Self {
        Self { gather }
    }

    /// Writes output pixel `p` from `out[pixel_offsets[p]]` on.
    ///
    /// # Errors
    /// [`KernelError::Buffer`] where a buffer is too short, [`KernelError::Shape`] where there are not as many pixels as
    /// windows.
    pub fn run<T: Copy + PartialOrd>(
        &self,
        input: &[T],
        out: &mut [T],
        pixel_offsets: &[u32],
    ) -> Result<(), KernelError> {
        check(&self.gather, input, out, pixel_offsets)?;
        let run = self.gather.run_len();
        for (start, to) in self.gather.pixel_offsets().iter().zip(pixel_offsets) {
            let (panels, rest) = out[*to as usize..][..run].as_chunks_mut::<LANES>();
            let end = *start as usize + panels.len() * LANES;
            for (place, panel) in panels.iter_mut().zip((*start as usize..).step_by(LANES)) {
                self.raise(place, input, panel);
            }
            for (place, value) in rest.as_chunks_mut::<1>().0.iter_mut().zip(end..) {
                self.raise(place, input, value);
            }
        }
        Ok(())
    }

    /// Writes the largest of a window's values: so many of each run, from `start` on in the first.
    #[inline(always)]
    fn raise<T: Copy + PartialOrd, const N: usize>(&self, place: &mut [T; N], input: &[T], start: usize) {
        let mut runs = self
            .gather
            .run_offsets()
            .iter()
            .map(|run| &input[start + *run as usize..][..N]);
        let Some(first) = runs.next() else { return };
        let mut most: [T; N] = std::array::from_fn(|at| first[at]);
        for values in runs {
            for (most, value) in most.iter_mut().zip(values) {
                *most = if *most < *value { *value } else { *most };
            }
        }
        *place = most;
    }
}

/// The mean of each window, as ONNX's `AveragePool` between quantised tensors.
///
/// `q = clamp(float(Σ (a - a_zero)) * multiplier, ...) rounded + zero_point`, where `multiplier` is `a_scale / (scale *
/// elements)`; see [`Requantise`].
#[derive(Debug, Clone)]
pub struct AveragePool {
    gather: Gather,
    /// What a window of zeros sums up to.
    zeros: i32,
    requantise: Requantise,
}

impl AveragePool {
    /// Over the windows of a gather, whose runs are a multiple of [`LANES`] long; `zero_point` is the input's.
    ///
    /// # Errors
    /// [`KernelError::Shape`] where `requantise` has not a multiplier for each value of a run.
    pub fn new(gather: Gather, zero_point: u8, requantise: Requantise) -> Result<Self, KernelError> {
        check_eq("channels of the multipliers", requantise.channels(), gather.run_len())?;
        let zeros = i32::from(zero_point) * gather.run_offsets().len() as i32;
        Ok(Self {
            gather,
            zeros,
            requantise,
        })
    }

    /// Writes output pixel `p` from `out[pixel_offsets[p]]` on.
    ///
    /// # Errors
    /// [`KernelError::Buffer`] where a buffer is too short, [`KernelError::Shape`] where there are not as many pixels as
    /// windows.
    pub fn run(&self, input: &[u8], out: &mut [u8], pixel_offsets: &[u32]) -> Result<(), KernelError> {
        check(&self.gather, input, out, pixel_offsets)?;
        for (start, to) in self.gather.pixel_offsets().iter().zip(pixel_offsets) {
            for panel in 0..self.gather.run_len() / LANES {
                let channel = panel * LANES;
                let sums = self.sum(input, *start as usize + channel);
                out[*to as usize + channel..][..LANES].copy_from_slice(&self.requantise.panel(panel).apply(&sums));
            }
        }
        Ok(())
    }

    fn sum(&self, input: &[u8], start: usize) -> [i32; LANES] {
        let mut sums = [-self.zeros; LANES];
        for element in self.gather.run_offsets() {
            let values = &input[start + *element as usize..][..LANES];
            sums.iter_mut()
                .zip(values)
                .for_each(|(sum, value)| *sum += i32::from(*value));
        }
        sums
    }
}

/// The mean of each window of floats: their sum in the order of the runs, times one divided by their number.
#[derive(Debug, Clone)]
pub struct FloatAveragePool {
    gather: Gather,
}

impl FloatAveragePool {
    /// Over the windows of a gather: a run for each element of a window.
    pub fn new(gather: Gather) -> Self {
        Self { gather }
    }

    /// Writes output pixel `p` from `out[pixel_offsets[p]]` on.
    ///
    /// # Errors
    /// [`KernelError::Buffer`] where a buffer is too short, [`KernelError::Shape`] where there are not as many pixels as
    /// windows.
    pub fn run(&self, input: &[f32], out: &mut [f32], pixel_offsets: &[u32]) -> Result<(), KernelError> {
        check(&self.gather, input, out, pixel_offsets)?;
        let run = self.gather.run_len();
        let factor = 1.0 / self.gather.run_offsets().len() as f32;
        for (start, to) in self.gather.pixel_offsets().iter().zip(pixel_offsets) {
            let place = &mut out[*to as usize..][..run];
            place.fill(0.0);
            for element in self.gather.run_offsets() {
                let values = &input[(start + element) as usize..][..run];
                place.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
            for sum in place {
                *sum *= factor;
            }
        }
        Ok(())
    }
}

fn check<T>(gather: &Gather, input: &[T], out: &[T], pixel_offsets: &[u32]) -> Result<(), KernelError> {
    check_len(input.len(), gather.min_input_len())?;
    check_eq("output pixels", pixel_offsets.len(), gather.pixel_offsets().len())?;
    let last = pixel_offsets.iter().copied().max().unwrap_or(0) as usize;
    check_len(out.len(), last + gather.run_len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_largest_of_each_window() {
        let gather = Gather::new(vec![0, 4], vec![0, 2, 8], 2);
        let input = [1, 9, 3, 2, 5, 0, 0, 7, 2, 2, 0, 0, 4, 250];
        let mut out = [0; 5];
        MaxPool::new(gather).run(&input, &mut out, &[3, 0]).unwrap();
        assert_eq!(out, [5, 250, 0, 3, 9]);
    }

    #[test]
    fn takes_the_largest_and_the_mean_of_floats() {
        let gather = Gather::new(vec![0, 4], vec![0, 2], 2);
        let input = [1.0, -9.0, 3.0, -2.0, 5.0, 0.0, 0.0, 7.0];
        let mut out = [f32::NAN; 4];
        MaxPool::new(gather.clone()).run(&input, &mut out, &[2, 0]).unwrap();
        assert_eq!(out, [5.0, 7.0, 3.0, -2.0]);
        FloatAveragePool::new(gather).run(&input, &mut out, &[2, 0]).unwrap();
        assert_eq!(out, [2.5, 3.5, 2.0, -5.5]);
    }

    #[test]
    fn averages_real_values() {
        let gather = Gather::new(vec![0], vec![0, 16, 32, 48], 16);
        let input: Vec<u8> = (0..64)
            .map(|at| if at % 16 == 0 { at as u8 + 20 } else { 20 })
            .collect();
        // Half the scale: the mean of 0, 16, 32, 48 is 24, which is 48 steps.
        let requantise = Requantise::new(&[0.5; 16], 3, 3).unwrap();
        let mut out = [0; 16];
        AveragePool::new(gather, 20, requantise)
            .unwrap()
            .run(&input, &mut out, &[0])
            .unwrap();
        assert_eq!(out[..2], [51, 3]);
    }

    #[test]
    fn refuses_short_buffers() {
        let pool = MaxPool::new(Gather::new(vec![0], vec![0, 8], 2));
        assert!(pool.run(&[0; 9], &mut [0; 2], &[0]).is_err());
        assert!(pool.run(&[0; 10], &mut [0; 1], &[0]).is_err());
        assert!(pool.run(&[0; 10], &mut [0; 2], &[]).is_err());
    }
}
